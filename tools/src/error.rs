//! What stops a conversion, in a line each.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a checkpoint cannot be converted.
#[derive(Debug)]
#[non_exhaustive]
#[allow(missing_docs)] // the fields are named and appear in the messages
pub enum Error {
    /// A file cannot be read or written.
    Io { path: PathBuf, source: io::Error },
    /// A file is longer than any checkpoint that is converted.
    TooLong { path: PathBuf, len: u64, max: u64 },
    /// The first bytes are those of no known kind of checkpoint.
    UnknownFormat,
    /// A zip archive is malformed, or uses what PyTorch does not.
    Zip(&'static str),
    /// A pickle is malformed, or uses what checkpoints do not.
    Pickle { at: usize, cause: String },
    /// A PyTorch file is not put together as it should be.
    Torch(String),
    /// A safetensors file is malformed.
    Safetensors(safetensors::SafeTensorError),
    /// A TensorFlow.js model is malformed, or not a MeshNet.
    Tfjs(String),
    /// A tensor cannot be read.
    Tensor { name: String, cause: String },
    /// No known network has these tensors.
    UnknownArchitecture { count: usize, examples: Vec<String> },
    /// The network is known, but its tensors are not all as they should be.
    Tensors {
        architecture: &'static str,
        problems: Vec<String>,
    },
    /// The network does not fit the model file's limits.
    Graph(endocast_weights::GraphError),
    /// The model cannot be written.
    Model(endocast_weights::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Io { path, source } => write!(f, "{}: {source}", path.display()),
            Error::TooLong { path, len, max } => write!(
                f,
                "{}: {len} bytes are more than the allowed {max}",
                path.display()
            ),
            Error::UnknownFormat => f.write_str(
                "not a checkpoint: neither PyTorch (zip or stream), safetensors nor TensorFlow.js",
            ),
            Error::Zip(cause) => write!(f, "zip archive: {cause}"),
            Error::Pickle { at, cause } => write!(f, "pickle byte {at}: {cause}"),
            Error::Torch(cause) => write!(f, "PyTorch file: {cause}"),
            Error::Safetensors(cause) => write!(f, "safetensors file: {cause}"),
            Error::Tfjs(cause) => write!(f, "TensorFlow.js model: {cause}"),
            Error::Tensor { name, cause } => write!(f, "tensor '{name}': {cause}"),
            Error::UnknownArchitecture { count, examples } => write!(
                f,
                "the tensors are those of no known network; there are {count}, such as {}",
                examples.join(", ")
            ),
            Error::Tensors {
                architecture,
                problems,
            } => write!(
                f,
                "the tensors are not those of a {architecture}:\n  {}",
                problems.join("\n  ")
            ),
            Error::Graph(cause) => cause.fmt(f),
            Error::Model(cause) => cause.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<safetensors::SafeTensorError> for Error {
    fn from(cause: safetensors::SafeTensorError) -> Error {
        Error::Safetensors(cause)
    }
}

impl From<endocast_weights::GraphError> for Error {
    fn from(cause: endocast_weights::GraphError) -> Error {
        Error::Graph(cause)
    }
}

impl From<endocast_weights::Error> for Error {
    fn from(cause: endocast_weights::Error) -> Error {
        Error::Model(cause)
    }
}
