//! Brain extraction from head MRI on plain CPUs.
//!
//! Data flows one way: volume, pre, plan, exec, post, volume.

mod base64;
#[cfg(feature = "cli")]
pub mod budget;
mod clock;
#[cfg(feature = "embedded-model")]
pub mod embedded;
pub mod exec;
pub mod extract;
pub mod metrics;
pub mod model;
pub mod output;
#[cfg(feature = "cli")]
pub mod picture;
pub mod plan;
pub mod post;
pub mod pre;
mod precision;
pub mod qc;
#[cfg(feature = "cli")]
pub mod quantize;
pub mod surface;
#[cfg(feature = "cli")]
pub mod validate;
pub mod volume;

pub use endocast_kernels as kernels;
pub use endocast_weights as weights;
pub use extract::{Extraction, Extractor, Options};
pub use ndarray;
pub use precision::Precision;

/// The model that ships inside this library, in 8-bit integers.
///
/// # Errors
/// None that a build from an intact source tree could show; the bytes are checked like any file's.
#[cfg(feature = "embedded-model")]
pub fn embedded_model() -> Result<weights::Model, weights::Error> {
    embedded::MODELS[0].open()
}
