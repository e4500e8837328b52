//! What is wrong with a model file, in a line each.

use std::fmt;
use std::io;

use crate::graph::GraphError;
use crate::preprocessing::PreprocessingError;

/// Why a file is not a model, or a model cannot be written.
#[derive(Debug)]
#[non_exhaustive]
#[allow(missing_docs)] // the fields are named and appear in the messages
pub enum Error {
    /// The file cannot be read.
    Io(io::Error),
    /// The file ends before the header does.
    Truncated { found: usize, needed: usize },
    /// The header's length is absurd; nothing was allocated for it.
    HeaderTooLong { found: u64, max: usize },
    /// The data section would not start on a 64-byte line.
    HeaderMisaligned(usize),
    /// The header is not the JSON that the format allows.
    Json { at: usize, cause: &'static str },
    /// A tensor or metadata key is given twice.
    Duplicate(String),
    /// A metadata key that every model has is absent.
    MissingMetadata(&'static str),
    /// The file is a safetensors file of another kind.
    ForeignFormat(String),
    /// The file was written for a later version of the format, or the version is malformed.
    Version {
        found: String,
        supported: &'static str,
    },
    /// The graph uses a feature that the metadata does not announce.
    Unannounced(&'static str),
    /// The file needs a feature that this reader lacks.
    Requires(String),
    /// A digest is not 64 hexadecimal digits.
    MalformedDigest { key: &'static str, found: String },
    /// The graph's text is malformed.
    Graph(GraphError),
    /// The preprocessing text is malformed.
    Preprocessing(PreprocessingError),
    /// The preprocessing names more or fewer outputs than the graph has.
    Outputs { named: usize, channels: usize },
    /// A tensor has an element type that the format does not allow.
    Dtype { tensor: String, found: String },
    /// A tensor's size overflows.
    TooLarge(String),
    /// A tensor's byte range has another length than its shape and type ask for.
    Length {
        tensor: String,
        found: usize,
        expected: usize,
    },
    /// A tensor does not start where the one before it ends.
    NotContiguous {
        tensor: String,
        found: usize,
        expected: usize,
    },
    /// A tensor's length is not a multiple of 64.
    Misaligned(String),
    /// The data section is longer or shorter than the tensors.
    DataLength { found: usize, expected: usize },
    /// A node of the graph lacks one of its tensors.
    MissingTensor(String),
    /// No node of the graph has such a tensor.
    UnknownTensor(String),
    /// A tensor's shape does not suit its node.
    Shape {
        tensor: String,
        found: Vec<usize>,
        expected: Vec<usize>,
    },
    /// A bias, scale or shift is infinite or not a number.
    NotFinite(String),
    /// A scale of an int8 convolution is not above zero.
    NotPositive(String),
    /// 8-bit weights break a rule of the format.
    Int8 { tensor: String, cause: &'static str },
    /// The data section does not match its digest.
    PayloadDigest { found: String, expected: String },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Io(cause) => write!(f, "cannot read the model: {cause}"),
            Error::Truncated { found, needed } => write!(
                f,
                "the file has {found} bytes, but its header alone needs {needed}"
            ),
            Error::HeaderTooLong { found, max } => write!(
                f,
                "not a model: a header of {found} bytes is longer than the allowed {max}"
            ),
            Error::HeaderMisaligned(start) => write!(
                f,
                "not a model: the data section starts at byte {start}, which is not a multiple of 64"
            ),
            Error::Json { at, cause } => write!(f, "header byte {at}: {cause}"),
            Error::Duplicate(key) => write!(f, "header: '{key}' is given twice"),
            Error::MissingMetadata(cause) => write!(f, "metadata '{cause}' is missing"),
            Error::ForeignFormat(found) => write!(f, "the format is '{found}', not 'endocast'"),
            Error::Version { found, supported } => write!(
                f,
                "format version '{found}' cannot be read by a reader of version {supported}"
            ),
            Error::Unannounced(cause) => write!(
                f,
                "the graph uses '{cause}', which the metadata does not require"
            ),
            Error::Requires(feature) => write!(
                f,
                "the model requires '{feature}', which this version does not know"
            ),
            Error::MalformedDigest { key, found } => {
                write!(f, "metadata '{key}' is not a SHA-256 digest: '{found}'")
            }
            Error::Graph(cause) => cause.fmt(f),
            Error::Preprocessing(cause) => cause.fmt(f),
            Error::Outputs { named, channels } => {
                write!(f, "{named} outputs are named, but the graph has {channels}")
            }
            Error::Dtype { tensor, found } => write!(
                f,
                "tensor '{tensor}': element type '{found}' is not allowed here"
            ),
            Error::TooLarge(tensor) => write!(f, "tensor '{tensor}' is too large"),
            Error::Length {
                tensor,
                found,
                expected,
            } => write!(
                f,
                "tensor '{tensor}' takes {found} bytes instead of {expected}"
            ),
            Error::NotContiguous {
                tensor,
                found,
                expected,
            } => write!(
                f,
                "tensor '{tensor}' starts at {found} instead of {expected}: a hole or an overlap"
            ),
            Error::Misaligned(tensor) => {
                write!(f, "tensor '{tensor}' does not end on a 64-byte line")
            }
            Error::DataLength { found, expected } => write!(
                f,
                "the data section has {found} bytes instead of {expected}"
            ),
            Error::MissingTensor(tensor) => write!(f, "tensor '{tensor}' is missing"),
            Error::UnknownTensor(tensor) => {
                write!(f, "tensor '{tensor}' belongs to no node of the graph")
            }
            Error::Shape {
                tensor,
                found,
                expected,
            } => write!(
                f,
                "tensor '{tensor}' has shape {found:?} instead of {expected:?}"
            ),
            Error::NotFinite(tensor) => {
                write!(f, "tensor '{tensor}' holds a value that is not finite")
            }
            Error::NotPositive(tensor) => {
                write!(f, "tensor '{tensor}' holds a value that is not positive")
            }
            Error::Int8 { tensor, cause } => write!(f, "tensor '{tensor}': {cause}"),
            Error::PayloadDigest { found, expected } => write!(
                f,
                "the data section's SHA-256 is {found} instead of {expected}: the file is damaged"
            ),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(cause: io::Error) -> Error {
        Error::Io(cause)
    }
}

impl From<GraphError> for Error {
    fn from(cause: GraphError) -> Error {
        Error::Graph(cause)
    }
}

impl From<PreprocessingError> for Error {
    fn from(cause: PreprocessingError) -> Error {
        Error::Preprocessing(cause)
    }
}
