//! How well a mask agrees with a reference.
//!
//! Masks are bytes, first axis fastest; voxels that are not zero are in the mask.

mod error;
mod overlap;
mod surface;

pub use error::Error;
pub use overlap::{Overlap, overlap};
pub use surface::{SurfaceDistances, surface_distances};
