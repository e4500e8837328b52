//! Checkpoint conversion for endocast: PyTorch, safetensors or TensorFlow.js in, a model file out.
//!
//! [`convert`] does it all: [`source`] reads tensors out of the file without running anything in it,
//! [`architecture`] recognises the network by their names and shapes, [`fold`] rewrites it so that it
//! computes the same with less work, and `endocast-weights` packs it.
//!
//! [`mod@reference`] evaluates networks slowly and exactly, [`synthetic`] makes checkpoints out of nothing;
//! both serve tests.

pub mod architecture;
mod convert;
mod error;
pub mod fold;
mod network;
pub mod published;
pub mod reference;
pub mod source;
mod state;
pub mod synthetic;

pub use convert::{Converted, Options, convert, convert_checkpoint};
pub use error::Error;
pub use network::Network;
pub use state::{StateDict, Tensor};
