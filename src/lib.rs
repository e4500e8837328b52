//! Brain extraction from head MRI on plain CPUs.
//!
//! A head scan goes in, NIfTI or MGH or an array in memory, and the mask of the brain comes out, on the
//! scan's own grid. In between is a 3-D convolutional network, run by an engine of this crate's own that
//! needs no GPU, no Python and no C library; trained models are inside.
//!
//! ```no_run
//! # #[cfg(feature = "embedded-model")] {
//! use endocast::volume::{FourD, Scan};
//! use endocast::{Extractor, Options, embedded_model};
//!
//! let mut extractor = Extractor::new(embedded_model()?, &Options::default())?;
//! let scan = Scan::read("head.nii.gz", FourD::First)?;
//! let found = extractor.extract(&scan, false)?;
//! scan.write_mask("mask.nii.gz", &found.mask)?;
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! An [`Extractor`] is made once and used for many scans. With the models inside, which compute in 8-bit
//! integers, equal scans give equal masks on every processor and any number of threads.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `embedded-model` (default) | the models in 8-bit integers, 9 MB: [`embedded_model`], [`embedded`] |
//! | `embedded-f32-model` | the same in single precision, 18 MB more |
//! | `cli` (default) | the `endocast` command and what it alone needs: [`budget`], [`picture`], [`quantize`], [`validate`] |
//!
//! A program that embeds the engine takes `default-features = false, features = ["embedded-model"]`.
//!
//! # Where to look
//!
//! To extract brains, these are enough:
//!
//! * [`extract`]: [`Extractor`], its [`Options`] and the [`Extraction`] that it returns: mask,
//!   probabilities, distances;
//! * [`volume`]: [`Scan`](volume::Scan), read from a file or made of an array, and the writing of images on
//!   its grid;
//! * [`qc`]: whether a mask looks right; a program should pass its warnings on;
//! * [`model`]: other models, inside this library or in files.
//!
//! Around masks: [`metrics`] compares them, [`surface`] makes meshes of them, [`picture`] draws their
//! outlines, [`validate`] makes a study of many, [`output`] writes files that appear complete or not at all.
//!
//! Those who go deeper follow the data: [`volume`], [`pre`] (to the network's grid), [`plan`] (which kernel
//! computes what, and where everything lies in memory), [`exec`] (runs a plan), [`post`] (back to the scan's
//! grid), [`volume`]. [`kernels`] and [`weights`] are crates of their own, the SIMD kernels and the model
//! file; [`quantize`] makes 8-bit models and [`budget`] foresees memory.

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
pub mod processors;
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
