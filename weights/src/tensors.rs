//! Which tensors the nodes of a graph have.

use crate::graph::{Graph, Op};
use crate::pack::{ConvLayout, padded};

/// What a tensor is to its node; the second half of its name, `<node>.<role>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Weights of a convolution: packed `[ocb, icb, tap, ic, 16]`, logical `[out, in, dz, dy, dx]`.
    Weight,
    /// What a convolution adds: one number per output channel.
    Bias,
    /// Factor of an affine or instance norm: one number per channel.
    Scale,
    /// What an affine or instance norm adds: one number per channel.
    Shift,
}

impl Role {
    /// The word that stands for this role in a tensor's name.
    pub fn word(&self) -> &'static str {
        match self {
            Role::Weight => "weight",
            Role::Bias => "bias",
            Role::Scale => "scale",
            Role::Shift => "shift",
        }
    }
}

/// The tensors that a node needs, in file order.
pub fn roles(op: &Op) -> &'static [Role] {
    match op {
        Op::Conv { .. } => &[Role::Weight, Role::Bias],
        Op::Affine | Op::InstanceNorm { .. } => &[Role::Scale, Role::Shift],
        _ => &[],
    }
}

/// Name of the tensor of `node` for `role`.
pub fn tensor_name(graph: &Graph, node: usize, role: Role) -> String {
    format!("{}.{}", graph.nodes()[node].name, role.word())
}

/// Packed shape of the tensor of `node` for `role`; `None` if the node has no such tensor.
pub fn packed_shape(graph: &Graph, node: usize, role: Role) -> Option<Vec<usize>> {
    let found = graph.nodes().get(node)?;
    if !roles(&found.op).contains(&role) {
        return None;
    }
    match role {
        Role::Weight => ConvLayout::of(graph, node).map(|layout| layout.shape().to_vec()),
        Role::Bias | Role::Scale | Role::Shift => Some(vec![padded(found.channels)]),
    }
}
