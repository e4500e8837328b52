//! The endocast model file: a network's graph and its packed tensors.

mod graph;

pub use graph::{Graph, GraphError, MAX_CHANNELS, MAX_NODES, Node, Op};
