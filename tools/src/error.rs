use std::io;
use std::path::PathBuf;

/// Why a checkpoint cannot be converted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)] // the fields are named and appear in the messages
pub enum Error {
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// A file is longer than any checkpoint that is converted.
    #[error("{}: {len} bytes are more than the allowed {max}", path.display())]
    TooLong { path: PathBuf, len: u64, max: u64 },
    /// The first bytes are those of no known kind of checkpoint.
    #[error("not a checkpoint: neither PyTorch (zip or stream), safetensors nor TensorFlow.js")]
    UnknownFormat,
    /// A zip archive is malformed, or uses what PyTorch does not.
    #[error("zip archive: {0}")]
    Zip(&'static str),
    /// A pickle is malformed, or uses what checkpoints do not.
    #[error("pickle byte {at}: {cause}")]
    Pickle { at: usize, cause: String },
    /// A PyTorch file is not put together as it should be.
    #[error("PyTorch file: {0}")]
    Torch(String),
    /// A safetensors file is malformed.
    #[error("safetensors file: {0}")]
    Safetensors(#[from] safetensors::SafeTensorError),
    /// A TensorFlow.js model is malformed, or not a MeshNet.
    #[error("TensorFlow.js model: {0}")]
    Tfjs(String),
    /// A tensor cannot be read.
    #[error("tensor '{name}': {cause}")]
    Tensor { name: String, cause: String },
    /// No known network has these tensors.
    #[error("the tensors are those of no known network; there are {count}, such as {}", examples.join(", "))]
    UnknownArchitecture { count: usize, examples: Vec<String> },
    /// The network is known, but its tensors are not all as they should be.
    #[error("the tensors are not those of a {architecture}:\n  {}", problems.join("\n  "))]
    Tensors {
        architecture: &'static str,
        problems: Vec<String>,
    },
    /// The network does not fit the model file's limits.
    #[error(transparent)]
    Graph(#[from] endocast_weights::GraphError),
    /// The model cannot be written.
    #[error(transparent)]
    Model(#[from] endocast_weights::Error),
}
