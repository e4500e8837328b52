//! What every kind of checkpoint is read into: tensors by name.

use std::collections::BTreeMap;

/// A tensor of a checkpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Length of each axis, the slowest first; empty for a scalar.
    pub shape: Vec<usize>,
    /// The elements, row-major.
    pub data: Vec<f32>,
}

/// A checkpoint's tensors by name.
pub type StateDict = BTreeMap<String, Tensor>;
