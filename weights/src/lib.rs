//! The endocast model file: a network's graph, its packed tensors, and what surrounds it.
//!
//! A model file is a safetensors file under stricter rules; `FORMAT.md` beside this crate states
//! them. [`Model`] reads one, [`ModelWriter`] makes one:
//!
//! ```
//! use endocast_weights::{Graph, Model, ModelWriter, Role};
//!
//! let graph = Graph::parse(
//!     "input image channels=1\n\
//!      conv logit image out=1 kernel=1 stride=1 dilation=1\n\
//!      sigmoid brain logit\n",
//! )?;
//! let preprocessing = "route=brainmage-ma grid=128 outputs=brain threshold=0.9".parse()?;
//! let mut writer = ModelWriter::new("tiny", graph, &preprocessing);
//! writer.tensor(1, Role::Weight, &[2.0])?.tensor(1, Role::Bias, &[-1.0])?;
//!
//! let model = Model::from_bytes(&writer.finish()?)?;
//! assert_eq!(model.tensor(1, Role::Bias).unwrap()[..2], [-1.0, 0.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bytes;
mod error;
mod graph;
pub mod half;
mod header;
mod json;
mod model;
pub mod pack;
pub mod preprocessing;
mod sha256;
mod tensors;
mod writer;

pub use bytes::Aligned;
pub use error::Error;
pub use graph::{
    Graph, GraphError, MAX_CHANNELS, MAX_INT8_FACTORS, MAX_NODES, Node, Op, Quantisation,
};
pub use header::MAX_HEADER;
pub use model::{FORMAT_VERSION, INT8, MAX_FILE, Model, Values};
pub use preprocessing::Preprocessing;
pub use sha256::{sha256_hex, sha256_hex_of};
pub use tensors::{Role, roles, tensor_name};
pub use writer::{ModelWriter, Precision};
