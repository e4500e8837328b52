//! The downward half that the BrainMaGe networks share.

use endocast_weights::GraphError;

use super::builder::Builder;

/// Whether blocks add their input to their result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residual {
    /// As in `resunet`.
    Yes,
    /// As in `fcn`.
    No,
}

/// Builds `ins`, `ds_0`, `en_1` ... `ds_3`, `en_4` on the image; returns the results of `ins`, `en_1` ...
/// `en_4`. Each has as many channels as the checkpoint's convolutions say.
pub fn encoder(builder: &mut Builder, residual: Residual) -> Result<[usize; 5], GraphError> {
    let mut levels = [entry(builder, residual)?; 5];
    for level in 1..5 {
        let input = down(builder, level - 1, levels[level - 1])?;
        levels[level] = block(builder, level, input, residual)?;
    }
    Ok(levels)
}

/// conv, norm, act, conv, norm, act, conv; plus the result of the first convolution.
fn entry(builder: &mut Builder, residual: Residual) -> Result<usize, GraphError> {
    let width = builder.outputs("ins.conv0");
    let first = builder.conv("ins.conv0", 0, width, 3, 1)?;
    let x = builder.norm_act("ins.in_0", "ins.act_0", first)?;
    let x = builder.conv("ins.conv1", x, width, 3, 1)?;
    let x = builder.norm_act("ins.in_1", "ins.act_1", x)?;
    let x = builder.conv("ins.conv2", x, width, 3, 1)?;
    match residual {
        Residual::Yes => builder.add("ins", x, first),
        Residual::No => Ok(x),
    }
}

/// conv of stride 2, norm, act.
fn down(builder: &mut Builder, index: usize, input: usize) -> Result<usize, GraphError> {
    let name = format!("ds_{index}");
    let conv = format!("{name}.conv0");
    let x = builder.conv(&conv, input, builder.outputs(&conv), 3, 2)?;
    builder.norm_act(&format!("{name}.in_0"), &name, x)
}

/// norm, act, conv, norm, act, conv; plus the block's input.
fn block(
    builder: &mut Builder,
    index: usize,
    input: usize,
    residual: Residual,
) -> Result<usize, GraphError> {
    let name = format!("en_{index}");
    let channels = builder.channels(input);
    let x = builder.norm_act(&format!("{name}.in_0"), &format!("{name}.act_0"), input)?;
    let x = builder.conv(&format!("{name}.conv0"), x, channels, 3, 1)?;
    let x = builder.norm_act(&format!("{name}.in_1"), &format!("{name}.act_1"), x)?;
    let x = builder.conv(&format!("{name}.conv1"), x, channels, 3, 1)?;
    match residual {
        Residual::Yes => builder.add(&name, x, input),
        Residual::No => Ok(x),
    }
}
