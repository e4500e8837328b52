//! From the network's output to the mask of the scan.
//!
//! [`Restore`] is the way back from [`crate::pre::conform()`]; [`brainmage`] holds the original
//! BrainMaGe's ways. Masks are bytes, first axis fastest; 0 is background. Results do not depend
//! on the number of threads.

pub mod brainmage;
mod components;
pub(crate) mod distance;
mod error;
mod holes;
mod restore;

pub use components::{Connectivity, component_sizes, keep_largest};
pub use distance::{move_border, signed_distance};
pub use error::Error;
pub use holes::{fill_holes, fill_holes_by_slice};
pub use restore::Restore;
