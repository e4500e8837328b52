//! Rewrites a network into one that computes the same with less work.

use endocast_weights::{GraphError, Op, Role};

use crate::network::Network;

/// Applies all rewrites of this module.
///
/// Of BrainMaGe's 27 norms 13 disappear, the decoder's convolutions of kernel 1 run on an eighth of the
/// voxels, and what the decoder concatenates is already activated.
pub fn fold(network: &Network) -> Result<Network, GraphError> {
    fold_affines(&lift_before_upsampling(&split_over_concat(network)?)?)
}

/// What a node of the old network has become in the new one.
#[derive(Clone)]
enum Image {
    Node(usize),
    /// A node put off until after what reads it: its index in the old network, and the new
    /// network's nodes that it will read.
    Deferred(usize, Vec<usize>),
}

/// The new network so far, and what has become of the old one's nodes.
struct Rewrite<'a> {
    old: &'a Network,
    consumers: Vec<Vec<usize>>,
    new: Network,
    images: Vec<Image>,
}

impl<'a> Rewrite<'a> {
    fn new(old: &'a Network) -> Rewrite<'a> {
        Rewrite {
            old,
            consumers: old.consumers(),
            new: Network::default(),
            images: Vec::new(),
        }
    }

    /// The only node that reads the old node `index`.
    fn only_consumer(&self, index: usize) -> Option<usize> {
        match self.consumers[index][..] {
            [consumer] => Some(consumer),
            _ => None,
        }
    }

    /// The new nodes that the old node `index` reads; none of them may be put off.
    fn inputs(&self, index: usize) -> Vec<usize> {
        let node = |&input: &usize| match self.images[input] {
            Image::Node(node) => node,
            Image::Deferred(..) => unreachable!("only what follows it reads a deferred node"),
        };
        self.old.node(index).inputs.iter().map(node).collect()
    }

    /// The old node that was put off and that the old node `index` reads, with its new inputs.
    fn deferred_input(&self, index: usize) -> Option<(usize, Vec<usize>)> {
        match self.images[*self.old.node(index).inputs.first()?] {
            Image::Deferred(deferred, ref inputs) => Some((deferred, inputs.clone())),
            Image::Node(_) => None,
        }
    }

    /// Copies the old node `index`, reading `inputs`.
    fn copy(&mut self, index: usize, inputs: &[usize]) -> Result<usize, GraphError> {
        let node = self.old.node(index);
        self.new
            .push(&node.name, node.op, inputs, self.old.tensors(index))
    }
}

/// Moves operations that treat every channel alone from behind a concatenation to in front of it,
/// one per concatenated tensor, where nothing else reads the concatenation.
///
/// The parts of a node are called `<node>.0`, `<node>.1`, and so on.
pub fn split_over_concat(network: &Network) -> Result<Network, GraphError> {
    let per_channel = |op: Op| {
        matches!(
            op,
            Op::Affine | Op::InstanceNorm { .. } | Op::LeakyRelu { .. } | Op::Gelu
        )
    };
    let mut rewrite = Rewrite::new(network);
    for (index, node) in network.graph.nodes().iter().enumerate() {
        let reader = rewrite.only_consumer(index);
        let defers = reader.is_some_and(|reader| per_channel(network.node(reader).op));
        let image = if let Some((concat, parts)) = rewrite.deferred_input(index) {
            let mut start = 0;
            let mut split = Vec::new();
            for (number, &part) in parts.iter().enumerate() {
                let end = start + rewrite.new.node(part).channels;
                let tensors = network
                    .tensors(index)
                    .iter()
                    .map(|t| t[start..end].to_vec())
                    .collect();
                let name = format!("{}.{number}", node.name);
                split.push(rewrite.new.push(&name, node.op, &[part], tensors)?);
                start = end;
            }
            if defers {
                Image::Deferred(concat, split)
            } else {
                Image::Node(rewrite.copy(concat, &split)?)
            }
        } else if node.op == Op::Concat && defers {
            Image::Deferred(index, rewrite.inputs(index))
        } else {
            let inputs = rewrite.inputs(index);
            Image::Node(rewrite.copy(index, &inputs)?)
        };
        rewrite.images.push(image);
    }
    Ok(rewrite.new)
}

/// Moves affines and convolutions of kernel 1 from behind an upsampling to in front of it, where
/// nothing else reads the upsampled tensor.
///
/// Legal because the weights of an interpolation sum to one, so that constants pass through it.
pub fn lift_before_upsampling(network: &Network) -> Result<Network, GraphError> {
    let commutes = |op: Op| matches!(op, Op::Affine | Op::Conv { kernel: 1, .. });
    let mut rewrite = Rewrite::new(network);
    for (index, node) in network.graph.nodes().iter().enumerate() {
        let reader = rewrite.only_consumer(index);
        let defers = reader.is_some_and(|reader| commutes(network.node(reader).op));
        let image = if let Some((upsample, source)) = rewrite.deferred_input(index) {
            let lifted = rewrite.copy(index, &source)?;
            if defers {
                Image::Deferred(upsample, vec![lifted])
            } else {
                Image::Node(rewrite.copy(upsample, &[lifted])?)
            }
        } else if matches!(node.op, Op::Upsample { .. }) && defers {
            Image::Deferred(index, rewrite.inputs(index))
        } else {
            let inputs = rewrite.inputs(index);
            Image::Node(rewrite.copy(index, &inputs)?)
        };
        rewrite.images.push(image);
    }
    Ok(rewrite.new)
}

/// Multiplies an affine into the convolution in front of it, where nothing else reads the
/// convolution's result.
pub fn fold_affines(network: &Network) -> Result<Network, GraphError> {
    let mut rewrite = Rewrite::new(network);
    for (index, node) in network.graph.nodes().iter().enumerate() {
        let inputs = rewrite.inputs(index);
        let follows_conv = node.inputs.first().is_some_and(|&input| {
            let conv = matches!(network.node(input).op, Op::Conv { .. });
            conv && rewrite.only_consumer(input) == Some(index)
        });
        let image = if node.op == Op::Affine && follows_conv {
            let scale = network.tensor(index, Role::Scale);
            let shift = network.tensor(index, Role::Shift);
            scale_outputs(&mut rewrite.new, inputs[0], scale, shift);
            inputs[0]
        } else {
            rewrite.copy(index, &inputs)?
        };
        rewrite.images.push(Image::Node(image));
    }
    Ok(rewrite.new)
}

/// Makes the convolution `conv` return `scale * y + shift` instead of y.
fn scale_outputs(network: &mut Network, conv: usize, scale: &[f64], shift: &[f64]) {
    let weight = network.tensor_mut(conv, Role::Weight);
    let per_output = (weight.len() / scale.len()).max(1);
    for (weights, scale) in weight.chunks_mut(per_output).zip(scale) {
        weights.iter_mut().for_each(|weight| *weight *= scale);
    }
    let bias = network.tensor_mut(conv, Role::Bias);
    for ((bias, scale), shift) in bias.iter_mut().zip(scale).zip(shift) {
        *bias = *bias * scale + shift;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture;
    use crate::reference::{Volume, run};
    use crate::state::StateDict;
    use crate::synthetic;

    /// A network from its text, with synthetic tensors.
    fn network(text: &str) -> Network {
        let graph = endocast_weights::Graph::parse(text).unwrap();
        let mut network = Network::default();
        for node in graph.nodes() {
            let widths = node
                .inputs
                .iter()
                .map(|&input| graph.nodes()[input].channels);
            let values = |part: &str, shape: &[usize]| -> Vec<f64> {
                let name = format!("{}.{part}", node.name);
                synthetic::tensor(&name, shape)
                    .data
                    .iter()
                    .map(|&v| v.into())
                    .collect()
            };
            let tensors = match node.op {
                Op::Conv { out, kernel, .. } => {
                    let shape = [out, widths.sum(), kernel, kernel, kernel];
                    vec![values("weight", &shape), values("bias", &shape[..1])]
                }
                Op::Affine | Op::InstanceNorm { .. } => {
                    vec![
                        values("running_var", &[node.channels]),
                        values("bias", &[node.channels]),
                    ]
                }
                _ => Vec::new(),
            };
            network
                .push(&node.name, node.op, &node.inputs, tensors)
                .unwrap();
        }
        network
    }

    /// Asserts that two networks compute the same on a cube of `grid` voxels an edge.
    fn assert_same(a: &Network, b: &Network, grid: usize) {
        let channels = a.graph.input_channels();
        let image = Volume {
            channels,
            grid: [grid; 3],
            data: synthetic::image(channels, grid)
                .iter()
                .map(|&v| v.into())
                .collect(),
        };
        let [a, b] = [a, b].map(|network| run(network, &image).pop().unwrap());
        assert_eq!((a.channels, a.grid), (b.channels, b.grid));
        for (a, b) in a.data.iter().zip(&b.data) {
            assert!((a - b).abs() < 1e-12 * a.abs().max(1.0), "{a} {b}");
        }
    }

    fn names(network: &Network) -> Vec<&str> {
        network
            .graph
            .nodes()
            .iter()
            .map(|node| node.name.as_str())
            .collect()
    }

    const DECODER: &str = "\
input image channels=1
conv skip image out=3 kernel=3 stride=1 dilation=1
conv down skip out=4 kernel=3 stride=2 dilation=1
upsample up down factor=2
conv half up out=2 kernel=1 stride=1 dilation=1
concat cat half skip
affine norm cat
leaky_relu act norm slope=0.01
conv out act out=1 kernel=3 stride=1 dilation=1
";

    #[test]
    fn what_follows_a_concat_is_split() {
        let old = network(DECODER);
        let new = split_over_concat(&old).unwrap();
        assert_eq!(
            names(&new)[5..],
            ["norm.0", "norm.1", "act.0", "act.1", "cat", "out"]
        );
        assert_same(&old, &new, 8);
    }

    #[test]
    fn a_concat_read_twice_stays() {
        let text = DECODER.replace("conv out act", "concat more act cat\nconv out more");
        let old = network(&text);
        assert_eq!(split_over_concat(&old).unwrap(), old);
    }

    #[test]
    fn a_concat_of_activated_parts_is_read_twice() {
        let text = DECODER.replace("conv out act", "concat more act act\nconv out more");
        let old = network(&text);
        let new = split_over_concat(&old).unwrap();
        assert_eq!(names(&new)[9..], ["cat", "more", "out"]);
        assert_same(&old, &new, 8);
    }

    #[test]
    fn pointwise_linear_operations_move_below_an_upsampling() {
        let old = split_over_concat(&network(DECODER)).unwrap();
        let new = lift_before_upsampling(&old).unwrap();
        assert_eq!(names(&new)[2..6], ["down", "half", "norm.0", "up"]);
        assert_same(&old, &new, 8);
    }

    #[test]
    fn an_upsampled_tensor_read_twice_stays() {
        let text = DECODER.replace("concat cat half skip", "concat cat half up skip");
        let old = network(&text);
        assert_eq!(lift_before_upsampling(&old).unwrap(), old);
    }

    #[test]
    fn affines_vanish_in_convolutions() {
        let old = network(
            "input image channels=2\n\
             conv a image out=3 kernel=3 stride=1 dilation=1\n\
             affine n a\n\
             conv b n out=2 kernel=1 stride=1 dilation=1\n",
        );
        let new = fold_affines(&old).unwrap();
        assert_eq!(names(&new), ["image", "a", "b"]);
        assert_same(&old, &new, 5);
        // Not if the convolution's own result is needed too, nor without a convolution.
        let text = "input image channels=2\n\
             affine m image\n\
             conv a m out=3 kernel=3 stride=1 dilation=1\n\
             affine n a\n\
             add s n a\n";
        let old = network(text);
        assert_eq!(fold_affines(&old).unwrap(), old);
    }

    fn built(state: StateDict) -> Network {
        architecture::build(state).unwrap().1
    }

    #[test]
    fn folded_networks_compute_the_same() {
        for (state, grid) in [
            (synthetic::resunet(2, 1, 1), 32),
            (synthetic::resunet(2, 4, 2), 16),
            (synthetic::fcn(2), 16),
            (synthetic::meshnet(5, 3), 12),
        ] {
            let network = built(state);
            assert_same(&network, &fold(&network).unwrap(), grid);
        }
    }

    #[test]
    fn thirteen_norms_and_the_decoders_halves_vanish() {
        let unfolded = built(synthetic::resunet(1, 1, 1));
        let folded = fold(&unfolded).unwrap();
        let count = |network: &Network, word: &str| {
            network
                .graph
                .nodes()
                .iter()
                .filter(|node| node.op.keyword() == word)
                .count()
        };
        assert_eq!(count(&unfolded, "affine"), 27);
        assert_eq!(count(&folded, "affine"), 14);
        assert_eq!(count(&folded, "conv"), count(&unfolded, "conv"));
        let text = folded.graph.to_string();
        for line in [
            "conv us_0.conv0 de_1 out=1 kernel=1 stride=1 dilation=1",
            "upsample us_0.up us_0.conv0 factor=2",
            "leaky_relu out.act_0.0 us_0.up slope=0.01",
            "affine out.in_0.1 ins",
            "leaky_relu out.act_0.1 out.in_0.1 slope=0.01",
            "concat out.cat out.act_0.0 out.act_0.1",
            "conv out.conv0 out.cat out=1 kernel=3 stride=1 dilation=1",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is not in\n{text}"
            );
        }
    }
}
