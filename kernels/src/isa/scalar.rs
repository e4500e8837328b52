//! Portable kernels: the same arithmetic in plain Rust, for any processor.

use super::entry_points;
use crate::vector::Portable;

entry_points!(Portable, tile 2);
