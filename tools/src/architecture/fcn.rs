//! BrainMaGe's fully convolutional network: an encoder whose levels are each reduced to a few
//! channels, brought to full resolution, and mixed.

use super::builder::Builder;
use super::encoder::{Residual, encoder};
use super::shape;
use crate::error::Error;
use crate::network::Network;
use crate::state::StateDict;

/// Whether these are the tensors of a fully convolutional network, as far as three names tell.
pub fn recognise(state: &StateDict) -> bool {
    ["ins.conv0.weight", "us_4.conv0.weight", "conv_0.weight"]
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
    let levels = encoder(&mut builder, Residual::No)?;
    let mut branches = Vec::new();
    for level in (0..5).rev() {
        let name = format!("us_{level}");
        let conv = format!("{name}.conv0");
        let x = builder.conv(&conv, levels[level], builder.outputs(&conv), 1, 1)?;
        branches.push(match level {
            0 => x,
            _ => builder.upsample(&format!("{name}.up"), x, 1 << level)?,
        });
    }
    let x = builder.concat("cat", &branches)?;
    let x = builder.conv("conv_0", x, builder.outputs("conv_0"), 1, 1)?;
    builder.sigmoid("out", x)?;
    builder.finish("fcn")
}
