//! From a scan to the network's input.
//!
//! [`conform()`] is the route of this project's networks; [`brainmage`] holds the original
//! BrainMaGe's routes. Results do not depend on the number of threads.

pub(crate) mod affine;
pub mod brainmage;
mod conform;
mod error;
mod image;
pub(crate) mod lines;
mod normalise;
pub(crate) mod quantile;
pub(crate) mod resample;
pub(crate) mod spline;
pub(crate) mod tap;

pub use affine::Affine;
pub use conform::{Conformed, conform};
pub use endocast_weights::preprocessing::{Centre, Conform, Intensity, Orientation, Region};
pub use error::Error;
pub use image::{Image, Voxel};
pub use normalise::ForegroundScale;
