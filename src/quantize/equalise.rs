//! Factors per channel that move through a network without changing what it computes.
//!
//! Leaky ReLU, sums, interpolation and concatenation pass a positive factor on. So a channel can be
//! divided by a factor where it is made (a row of a convolution's weights and its bias, the constants of
//! an affine map or a norm) and be multiplied where it is read (a column of a convolution's weights, the
//! scale of an affine map). Channels that must share their factor, because they are the same numbers or
//! are added to each other, form a group (Nagel et al., arXiv 1906.04721; Xiao et al., arXiv 2211.10438).

use endocast_tools::Network;
use endocast_weights::{Graph, Node, Op, Role};

use super::layer::Fitted;
use super::observe::Site;

/// The groups of a graph's channels.
pub(super) struct Channels {
    /// First channel of every node.
    starts: Vec<usize>,
    /// Group of every channel, named by one of its channels.
    groups: Vec<usize>,
    /// Whether the group of this name may be given a factor.
    movable: Vec<bool>,
}

/// A factor for every group.
pub(super) struct Factors(Vec<f64>);

impl Channels {
    /// Finds the groups of `graph`. Movable are those that exactly one of `sites` reads, once, and that
    /// no operation takes part in that is not homogeneous.
    pub fn of(graph: &Graph, sites: &[Site]) -> Channels {
        let nodes = graph.nodes();
        let mut count = 0;
        let starts: Vec<usize> = nodes
            .iter()
            .map(|node| {
                count += node.channels;
                count - node.channels
            })
            .collect();
        let mut groups = Groups((0..count).collect());
        for (index, node) in nodes.iter().enumerate() {
            let mut offset = 0;
            for &input in &node.inputs {
                for channel in 0..nodes[input].channels {
                    if passes_factors_on(node) {
                        let to = starts[index] + offset + channel;
                        groups.join(starts[input] + channel, to);
                    }
                }
                if node.op == Op::Concat {
                    offset += nodes[input].channels;
                }
            }
        }
        let groups: Vec<usize> = (0..count).map(|channel| groups.of(channel)).collect();
        let mut readers = vec![0; count];
        for site in sites {
            let start = starts[site.node];
            for channel in start..start + nodes[site.node].channels {
                readers[groups[channel]] += 1;
            }
        }
        let mut movable: Vec<bool> = readers.iter().map(|&count| count == 1).collect();
        for (index, node) in nodes.iter().enumerate() {
            let mut fix = |fixed: usize| {
                let start = starts[fixed];
                for channel in start..start + nodes[fixed].channels {
                    movable[groups[channel]] = false;
                }
            };
            if index + 1 == nodes.len() || matches!(node.op, Op::Input { .. } | Op::Gelu) {
                fix(index);
            }
            if matches!(
                node.op,
                Op::Gelu | Op::InstanceNorm { .. } | Op::Sigmoid | Op::Softmax
            ) {
                fix(node.inputs[0]);
            }
        }
        Channels {
            starts,
            groups,
            movable,
        }
    }

    /// Whether channel number `channel` of `node` may be given a factor.
    pub fn is_movable(&self, node: usize, channel: usize) -> bool {
        self.movable[self.group(node, channel)]
    }

    /// Collects the factors that the sites chose for their channels.
    pub fn factors(&self, sites: &[Fitted]) -> Factors {
        let mut factors = vec![1.0; self.groups.len()];
        for site in sites {
            for (channel, &factor) in site.factors.iter().enumerate() {
                if self.is_movable(site.node, channel) {
                    factors[self.group(site.node, channel)] = f64::from(factor);
                }
            }
        }
        Factors(factors)
    }

    /// By what channel number `channel` of `node` is divided.
    pub fn factor(&self, factors: &Factors, node: usize, channel: usize) -> f64 {
        factors.0[self.group(node, channel)]
    }

    /// The same network with its channels divided by `factors`.
    pub fn apply(&self, network: &Network, factors: &Factors) -> Network {
        let mut result = Network::default();
        for (index, node) in network.graph.nodes().iter().enumerate() {
            let made = |channel: usize| self.factor(factors, index, channel);
            let read = |channel: usize| self.factor(factors, node.inputs[0], channel);
            let divided = |role: Role| -> Vec<f64> {
                let values = network.tensor(index, role).iter().enumerate();
                values.map(|(c, value)| value / made(c)).collect()
            };
            let tensors = match node.op {
                Op::Conv { kernel, .. } => {
                    let (taps, inputs) = (kernel.pow(3), network.node(node.inputs[0]).channels);
                    let weights = network.tensor(index, Role::Weight).iter().enumerate();
                    let weights = weights.map(|(at, weight)| {
                        let (output, input) = (at / taps / inputs, at / taps % inputs);
                        weight * read(input) / made(output)
                    });
                    vec![weights.collect(), divided(Role::Bias)]
                }
                Op::Affine => {
                    let scale = divided(Role::Scale).into_iter().enumerate();
                    let scale = scale.map(|(c, value)| value * read(c));
                    vec![scale.collect(), divided(Role::Shift)]
                }
                Op::InstanceNorm { .. } => vec![divided(Role::Scale), divided(Role::Shift)],
                _ => Vec::new(),
            };
            let pushed = result.push(&node.name, node.op, &node.inputs, tensors);
            pushed.expect("the nodes of a valid graph, in order");
        }
        result
    }

    fn group(&self, node: usize, channel: usize) -> usize {
        self.groups[self.starts[node] + channel]
    }
}

fn passes_factors_on(node: &Node) -> bool {
    matches!(
        node.op,
        Op::LeakyRelu { .. } | Op::Upsample { .. } | Op::Add | Op::Concat
    )
}

/// Disjoint sets of numbers, each number pointing towards its set's smallest.
struct Groups(Vec<usize>);

impl Groups {
    fn of(&self, mut member: usize) -> usize {
        while self.0[member] != member {
            member = self.0[member];
        }
        member
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.of(a), self.of(b));
        self.0[a.max(b)] = a.min(b);
    }
}

#[cfg(test)]
mod tests {
    use endocast_tools::reference::{self, Volume};
    use endocast_tools::source::Checkpoint;
    use endocast_tools::{Options, convert_checkpoint, synthetic};
    use endocast_weights::Model;

    use super::super::observe;
    use super::*;

    #[test]
    fn factors_change_nothing_but_what_lies_between() {
        let checkpoint = Checkpoint {
            state: synthetic::resunet(2, 1, 1),
            sha256: "0".repeat(64),
        };
        let converted = convert_checkpoint(checkpoint, &Options::default()).unwrap();
        let network = Network::from_model(&Model::from_bytes(&converted.bytes).unwrap());
        let channels = Channels::of(&network.graph, &observe::sites(&network.graph, 0));
        let factor = |(group, movable): (usize, &bool)| match movable {
            true => 2_f64.powf(3.0 * synthetic::uniform("factors", group)),
            false => 1.0,
        };
        let factors = Factors(channels.movable.iter().enumerate().map(factor).collect());
        let moved = channels.apply(&network, &factors);
        let mut image = Volume::zeros(1, [16; 3]);
        image.data = synthetic::image(1, 16).into_iter().map(f64::from).collect();
        let [before, after] = [&network, &moved].map(|network| reference::run(network, &image));
        for (index, node) in network.graph.nodes().iter().enumerate() {
            for channel in 0..node.channels {
                let factor = channels.factor(&factors, index, channel);
                let pairs = before[index].channel(channel).iter();
                for (a, b) in pairs.zip(after[index].channel(channel)) {
                    assert!(
                        (a - b * factor).abs() <= 1e-9 * (1.0 + a.abs()),
                        "{}",
                        node.name
                    );
                }
            }
        }
        // All that convolutions read can be scaled, except the image.
        for site in observe::sites(&network.graph, 0) {
            let movable = channels.is_movable(site.node, 0);
            assert_eq!(movable, site.node != 0, "{}", network.node(site.node).name);
        }
    }
}
