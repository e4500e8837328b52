//! Which tensors the nodes of a graph have.

use crate::graph::{Graph, Op};
use crate::pack::{ConvLayout, padded};

/// What a tensor is to its node; the second half of its name, `<node>.<role>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Weights of a convolution: logical `[out, in, dz, dy, dx]`, packed as [`ConvLayout`] says.
    Weight,
    /// What a convolution adds: one number per output channel.
    Bias,
    /// Factor of an affine, an instance norm or an int8 convolution: one number per channel.
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

/// The tensors that node number `node` of `graph` needs, in file order; none if there is no such node.
pub fn roles(graph: &Graph, node: usize) -> &'static [Role] {
    match graph.nodes().get(node).map(|found| found.op) {
        Some(Op::Conv { .. }) if graph.quantisation(node).is_some() => {
            &[Role::Weight, Role::Scale, Role::Bias]
        }
        Some(Op::Conv { .. }) => &[Role::Weight, Role::Bias],
        Some(Op::Affine | Op::InstanceNorm { .. }) => &[Role::Scale, Role::Shift],
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
    if !roles(graph, node).contains(&role) {
        return None;
    }
    match role {
        Role::Weight => ConvLayout::of(graph, node).map(|layout| layout.shape()),
        Role::Bias | Role::Scale | Role::Shift => Some(vec![padded(found.channels)]),
    }
}
