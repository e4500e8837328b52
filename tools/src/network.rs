//! A network in double precision: a graph and its logical tensors, before anything is packed.

use std::collections::HashMap;

use endocast_weights::pack::ConvLayout;
use endocast_weights::{Error, Graph, GraphError, Model, ModelWriter, Node, Op, Role, roles};

/// A graph with its tensors: weights `[out, in, dz, dy, dx]` (whole numbers for int8 convolutions), one
/// number per channel for the other roles.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Network {
    /// The network's nodes.
    pub graph: Graph,
    tensors: HashMap<(usize, Role), Vec<f64>>,
}

impl Network {
    /// Appends a node with the tensors its operation has, in the order of [`roles`].
    ///
    /// # Errors
    /// The node does not fit into the graph.
    pub fn push(
        &mut self,
        name: &str,
        op: Op,
        inputs: &[usize],
        tensors: Vec<Vec<f64>>,
    ) -> Result<usize, GraphError> {
        let index = self.graph.push(name, op, inputs)?;
        for (&role, tensor) in roles(&self.graph, index).iter().zip(tensors) {
            self.tensors.insert((index, role), tensor);
        }
        Ok(index)
    }

    /// The node number `index`.
    pub fn node(&self, index: usize) -> &Node {
        &self.graph.nodes()[index]
    }

    /// A tensor of the node number `index`; empty if it has none for this role.
    pub fn tensor(&self, index: usize, role: Role) -> &[f64] {
        self.tensors.get(&(index, role)).map_or(&[], Vec::as_slice)
    }

    /// All tensors of the node number `index`, in the order of [`roles`].
    pub fn tensors(&self, index: usize) -> Vec<Vec<f64>> {
        let roles = roles(&self.graph, index).iter();
        roles
            .map(|&role| self.tensor(index, role).to_vec())
            .collect()
    }

    pub(crate) fn tensor_mut(&mut self, index: usize, role: Role) -> &mut Vec<f64> {
        self.tensors.entry((index, role)).or_default()
    }

    /// For every node, the nodes that read it.
    pub fn consumers(&self) -> Vec<Vec<usize>> {
        let mut consumers = vec![Vec::new(); self.graph.nodes().len()];
        for (index, node) in self.graph.nodes().iter().enumerate() {
            for &input in &node.inputs {
                consumers[input].push(index);
            }
        }
        consumers
    }

    /// The network of a model file.
    pub fn from_model(model: &Model) -> Network {
        let graph = model.graph().clone();
        let mut tensors = HashMap::new();
        for (index, node) in graph.nodes().iter().enumerate() {
            for &role in roles(&graph, index) {
                let layout = ConvLayout::of(&graph, index).filter(|_| role == Role::Weight);
                let values = model.tensor(index, role);
                let logical = match (layout, values, model.int8_weights(index)) {
                    (Some(layout), Some(packed), _) => widened(&layout.unpack(&packed)),
                    (Some(layout), None, Some(packed)) => widened(&layout.unpack(packed)),
                    (_, values, _) => {
                        widened(&values.as_deref().unwrap_or_default()[..node.channels])
                    }
                };
                tensors.insert((index, role), logical);
            }
        }
        Network { graph, tensors }
    }

    /// Hands all tensors to `writer`, which must have been made for this network's graph.
    ///
    /// # Errors
    /// A tensor has the wrong length, a value that is not finite in single precision, or 8-bit weights
    /// that break the format's rules.
    pub fn write(&self, writer: &mut ModelWriter) -> Result<(), Error> {
        for index in 0..self.graph.nodes().len() {
            for &role in roles(&self.graph, index) {
                let values = self.tensor(index, role).iter();
                if role == Role::Weight && self.graph.quantisation(index).is_some() {
                    let values: Vec<i8> = values.map(|&value| value as i8).collect();
                    writer.int8_weights(index, &values)?;
                } else {
                    let values: Vec<f32> = values.map(|&value| value as f32).collect();
                    writer.tensor(index, role, &values)?;
                }
            }
        }
        Ok(())
    }
}

fn widened<T: Copy + Into<f64>>(values: &[T]) -> Vec<f64> {
    values.iter().map(|&value| value.into()).collect()
}
