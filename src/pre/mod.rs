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
mod orientation;
pub(crate) mod quantile;
pub(crate) mod resample;
pub(crate) mod spline;

pub use affine::Affine;
pub use conform::{Centre, Conform, Conformed, Intensity, Region, conform};
pub use error::Error;
pub use image::{Image, Voxel};
pub use normalise::ForegroundScale;
pub use orientation::Orientation;
