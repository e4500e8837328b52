use std::io;

use crate::graph::GraphError;
use crate::preprocessing::PreprocessingError;

/// Why a file is not a model, or a model cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)] // the fields are named and appear in the messages
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read the model: {0}")]
    Io(#[from] io::Error),
    /// The file ends before the header does.
    #[error("the file has {found} bytes, but its header alone needs {needed}")]
    Truncated { found: usize, needed: usize },
    /// The header's length is absurd; nothing was allocated for it.
    #[error("a header of {found} bytes is longer than the allowed {max}")]
    HeaderTooLong { found: u64, max: usize },
    /// The data section would not start on a 64-byte line.
    #[error("the data section starts at byte {0}, which is not a multiple of 64")]
    HeaderMisaligned(usize),
    /// The header is not the JSON that the format allows.
    #[error("header byte {at}: {cause}")]
    Json { at: usize, cause: &'static str },
    /// A tensor or metadata key is given twice.
    #[error("header: '{0}' is given twice")]
    Duplicate(String),
    /// A metadata key that every model has is absent.
    #[error("metadata '{0}' is missing")]
    MissingMetadata(&'static str),
    /// The file is a safetensors file of another kind.
    #[error("the format is '{0}', not 'endocast'")]
    ForeignFormat(String),
    /// The file was written for a later version of the format, or the version is malformed.
    #[error("format version '{found}' cannot be read by a reader of version {supported}")]
    Version {
        found: String,
        supported: &'static str,
    },
    /// The graph uses a feature that the metadata does not announce.
    #[error("the graph uses '{0}', which the metadata does not require")]
    Unannounced(&'static str),
    /// The file needs a feature that this reader lacks.
    #[error("the model requires '{0}', which this version does not know")]
    Requires(String),
    /// A digest is not 64 hexadecimal digits.
    #[error("metadata '{key}' is not a SHA-256 digest: '{found}'")]
    MalformedDigest { key: &'static str, found: String },
    /// The graph's text is malformed.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// The preprocessing text is malformed.
    #[error(transparent)]
    Preprocessing(#[from] PreprocessingError),
    /// The preprocessing names more or fewer outputs than the graph has.
    #[error("{named} outputs are named, but the graph has {channels}")]
    Outputs { named: usize, channels: usize },
    /// A tensor has an element type that the format does not allow.
    #[error("tensor '{tensor}': element type '{found}' is not allowed here")]
    Dtype { tensor: String, found: String },
    /// A tensor's size overflows.
    #[error("tensor '{0}' is too large")]
    TooLarge(String),
    /// A tensor's byte range has another length than its shape and type ask for.
    #[error("tensor '{tensor}' takes {found} bytes instead of {expected}")]
    Length {
        tensor: String,
        found: usize,
        expected: usize,
    },
    /// A tensor does not start where the one before it ends.
    #[error("tensor '{tensor}' starts at {found} instead of {expected}: a hole or an overlap")]
    NotContiguous {
        tensor: String,
        found: usize,
        expected: usize,
    },
    /// A tensor's length is not a multiple of 64.
    #[error("tensor '{0}' does not end on a 64-byte line")]
    Misaligned(String),
    /// The data section is longer or shorter than the tensors.
    #[error("the data section has {found} bytes instead of {expected}")]
    DataLength { found: usize, expected: usize },
    /// A node of the graph lacks one of its tensors.
    #[error("tensor '{0}' is missing")]
    MissingTensor(String),
    /// No node of the graph has such a tensor.
    #[error("tensor '{0}' belongs to no node of the graph")]
    UnknownTensor(String),
    /// A tensor's shape does not suit its node.
    #[error("tensor '{tensor}' has shape {found:?} instead of {expected:?}")]
    Shape {
        tensor: String,
        found: Vec<usize>,
        expected: Vec<usize>,
    },
    /// A bias, scale or shift is infinite or not a number.
    #[error("tensor '{0}' holds a value that is not finite")]
    NotFinite(String),
    /// A scale of an int8 convolution is not above zero.
    #[error("tensor '{0}' holds a value that is not positive")]
    NotPositive(String),
    /// 8-bit weights break a rule of the format.
    #[error("tensor '{tensor}': {cause}")]
    Int8 { tensor: String, cause: &'static str },
    /// The data section does not match its digest.
    #[error("the data section's SHA-256 is {found} instead of {expected}: the file is damaged")]
    PayloadDigest { found: String, expected: String },
}
