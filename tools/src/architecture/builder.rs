//! Takes tensors out of a checkpoint by name and shape, and puts nodes into a network.

use std::collections::BTreeSet;

use endocast_weights::{GraphError, Op};

use super::shape;
use crate::error::Error;
use crate::network::Network;
use crate::state::StateDict;

/// Slope of every leaky ReLU of the BrainMaGe networks.
const SLOPE: f32 = 0.01;
/// What the stored-statistics norms of PyTorch add to the variance.
const EPSILON: f64 = 1e-5;

/// A network under construction.
///
/// A tensor that is missing or has the wrong shape is noted and replaced by nothing; [`finish`] then
/// reports all such problems at once.
///
/// [`finish`]: Builder::finish
pub struct Builder<'a> {
    state: &'a StateDict,
    used: BTreeSet<String>,
    problems: Vec<String>,
    network: Network,
}

impl<'a> Builder<'a> {
    /// Starts a network that reads an image of `channels` channels.
    pub fn new(state: &'a StateDict, channels: usize) -> Result<Builder<'a>, GraphError> {
        let mut network = Network::default();
        network.push("image", Op::Input { channels }, &[], Vec::new())?;
        Ok(Builder {
            state,
            used: BTreeSet::new(),
            problems: Vec::new(),
            network,
        })
    }

    /// Channels of the node number `index`.
    pub fn channels(&self, index: usize) -> usize {
        self.network.node(index).channels
    }

    /// Output channels of the convolution `name` in the checkpoint; 1 if it is not there, which
    /// [`conv`](Self::conv) will note.
    pub fn outputs(&self, name: &str) -> usize {
        shape(self.state, &format!("{name}.weight"))[0].max(1)
    }

    /// Whether the checkpoint has a tensor `name`.
    pub fn has(&self, name: &str) -> bool {
        self.state.contains_key(name)
    }

    /// The values of the tensor `name`, which must have this shape.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Vec<f64> {
        self.used.insert(name.into());
        match self.state.get(name) {
            None => self.problems.push(format!("'{name}' {shape:?} is missing")),
            Some(tensor) if tensor.shape != shape => {
                let found = &tensor.shape;
                self.problems
                    .push(format!("'{name}' has shape {found:?} instead of {shape:?}"));
            }
            Some(tensor) if !tensor.data.iter().all(|value| value.is_finite()) => {
                self.problems
                    .push(format!("'{name}' holds a value that is not finite"));
            }
            Some(tensor) => return tensor.data.iter().map(|&value| value.into()).collect(),
        }
        Vec::new()
    }

    /// Marks a tensor as known that plays no part in inference; it may be absent.
    pub fn ignore(&mut self, name: &str) {
        self.used.insert(name.into());
    }

    /// Notes a reason to refuse the checkpoint.
    pub fn problem(&mut self, problem: String) {
        self.problems.push(problem);
    }

    /// Appends a node; see [`Network::push`].
    pub fn push(
        &mut self,
        name: &str,
        op: Op,
        inputs: &[usize],
        tensors: Vec<Vec<f64>>,
    ) -> Result<usize, GraphError> {
        self.network.push(name, op, inputs, tensors)
    }

    /// The convolution `<name>.weight`, `<name>.bias` of `input`.
    pub fn conv(
        &mut self,
        name: &str,
        input: usize,
        out: usize,
        kernel: usize,
        stride: usize,
    ) -> Result<usize, GraphError> {
        let inputs = self.channels(input);
        let weight = self.take(
            &format!("{name}.weight"),
            &[out, inputs, kernel, kernel, kernel],
        );
        let bias = self.take(&format!("{name}.bias"), &[out]);
        let op = Op::Conv {
            out,
            kernel,
            stride,
            dilation: 1,
        };
        self.push(name, op, &[input], vec![weight, bias])
    }

    /// The stored-statistics norm `name` of `input`, as `scale * x + shift`, then a leaky ReLU called
    /// `activated`.
    pub fn norm_act(
        &mut self,
        name: &str,
        activated: &str,
        input: usize,
    ) -> Result<usize, GraphError> {
        let shape = [self.channels(input)];
        let weight = self.take(&format!("{name}.weight"), &shape);
        let bias = self.take(&format!("{name}.bias"), &shape);
        let mean = self.take(&format!("{name}.running_mean"), &shape);
        let variance = self.take(&format!("{name}.running_var"), &shape);
        self.ignore(&format!("{name}.num_batches_tracked"));
        if variance.iter().any(|&variance| variance < 0.0) {
            self.problem(format!("'{name}.running_var' holds a negative variance"));
        }
        let scale: Vec<f64> = weight
            .iter()
            .zip(&variance)
            .map(|(w, v)| w / (v + EPSILON).sqrt())
            .collect();
        let shift = bias
            .iter()
            .zip(&mean)
            .zip(&scale)
            .map(|((b, m), s)| b - s * m)
            .collect();
        let affine = self.push(name, Op::Affine, &[input], vec![scale, shift])?;
        self.push(
            activated,
            Op::LeakyRelu { slope: SLOPE },
            &[affine],
            Vec::new(),
        )
    }

    /// The sum of two nodes.
    pub fn add(&mut self, name: &str, a: usize, b: usize) -> Result<usize, GraphError> {
        self.push(name, Op::Add, &[a, b], Vec::new())
    }

    /// The channels of several nodes.
    pub fn concat(&mut self, name: &str, inputs: &[usize]) -> Result<usize, GraphError> {
        self.push(name, Op::Concat, inputs, Vec::new())
    }

    /// A node interpolated to `factor` times its grid.
    pub fn upsample(
        &mut self,
        name: &str,
        input: usize,
        factor: usize,
    ) -> Result<usize, GraphError> {
        self.push(name, Op::Upsample { factor }, &[input], Vec::new())
    }

    /// The network's last node.
    pub fn sigmoid(&mut self, name: &str, input: usize) -> Result<usize, GraphError> {
        self.push(name, Op::Sigmoid, &[input], Vec::new())
    }

    /// The network, if every tensor was there and none is left over.
    pub fn finish(mut self, architecture: &'static str) -> Result<Network, Error> {
        for name in self.state.keys().filter(|&name| !self.used.contains(name)) {
            self.problems
                .push(format!("'{}' is not part of it", name.escape_default()));
        }
        if self.problems.is_empty() {
            return Ok(self.network);
        }
        Err(Error::Tensors {
            architecture,
            problems: self.problems,
        })
    }
}
