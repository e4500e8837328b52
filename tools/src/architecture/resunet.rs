//! BrainMaGe's residual U-Net, of any width and any number of inputs and outputs.

use endocast_weights::GraphError;

use super::builder::Builder;
use super::encoder::{Residual, encoder};
use super::shape;
use crate::error::Error;
use crate::network::Network;
use crate::state::StateDict;

/// Whether these are the tensors of a residual U-Net, as far as three names tell.
pub fn recognise(state: &StateDict) -> bool {
    ["ins.conv0.weight", "us_0.conv0.weight", "out.conv3.weight"]
        .iter()
        .all(|name| state.contains_key(*name))
}

/// Builds the network, as PyTorch would evaluate it.
///
/// # Errors
/// Tensors are missing, left over or of the wrong shape.
pub fn build(state: &StateDict) -> Result<Network, Error> {
    let [_, inputs] = shape(state, "ins.conv0.weight");
    let mut builder = Builder::new(state, inputs)?;
    let levels = encoder(&mut builder, Residual::Yes)?;
    let mut x = levels[4];
    for level in (0..4).rev() {
        let upsampled = up(&mut builder, level, x)?;
        let name = if level == 0 {
            "out".into()
        } else {
            format!("de_{level}")
        };
        let joined = builder.concat(&format!("{name}.cat"), &[upsampled, levels[level]])?;
        x = decode(&mut builder, &name, level, joined)?;
    }
    let x = builder.norm_act("out.in_3", "out.act_3", x)?;
    let outputs = builder.outputs("out.conv3");
    let x = builder.conv("out.conv3", x, outputs, 1, 1)?;
    builder.sigmoid("out", x)?;
    builder.finish("resunet")
}

/// Twice the grid, then a convolution of kernel 1.
fn up(builder: &mut Builder, index: usize, input: usize) -> Result<usize, GraphError> {
    let name = format!("us_{index}");
    let conv = format!("{name}.conv0");
    let x = builder.upsample(&format!("{name}.up"), input, 2)?;
    builder.conv(&conv, x, builder.outputs(&conv), 1, 1)
}

/// Thrice norm, act, conv; plus the result of the first convolution.
fn decode(
    builder: &mut Builder,
    name: &str,
    level: usize,
    input: usize,
) -> Result<usize, GraphError> {
    let part = |part: &str| format!("{name}.{part}");
    let channels = builder.outputs(&part("conv0"));
    let x = builder.norm_act(&part("in_0"), &part("act_0"), input)?;
    let first = builder.conv(&part("conv0"), x, channels, 3, 1)?;
    let x = builder.norm_act(&part("in_1"), &part("act_1"), first)?;
    let x = builder.conv(&part("conv1"), x, channels, 3, 1)?;
    let x = builder.norm_act(&part("in_2"), &part("act_2"), x)?;
    let x = builder.conv(&part("conv2"), x, channels, 3, 1)?;
    // The name of the last level's block is that of the network's output.
    let sum = if level == 0 { part("sum") } else { name.into() };
    builder.add(&sum, x, first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic;

    #[test]
    fn widths_are_those_of_the_checkpoint() {
        let widths = [3, 5, 6, 6, 7];
        let network = build(&synthetic::resunet_of(widths, 1, 2)).unwrap();
        let channels = |name: &str| network.node(network.graph.find(name).unwrap()).channels;
        let levels = ["ins", "en_1", "en_2", "en_3", "en_4"];
        assert_eq!(levels.map(channels), widths);
        let decoders = ["out.sum", "de_1", "de_2", "de_3"];
        assert_eq!(decoders.map(channels), widths[..4]);
        assert_eq!(channels("out"), 2);
    }
}
