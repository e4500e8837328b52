//! MeshNet, a chain of dilated convolutions; MindGrab is one of 25 hidden layers.
//!
//! A hidden layer is a convolution without bias, a normalisation of every channel by this image's mean
//! and variance (group norm with as many groups as channels, no parameters) and a GELU. The last layer
//! is a convolution of kernel 1 to two classes, background and brain; the brain's
//! probability in their softmax is the sigmoid of the difference, which is what is built here.
//!
//! PyTorch and TensorFlow.js compute the GELU with the error function; so does this network.

use endocast_weights::Op;

use super::builder::Builder;
use super::shape;
use crate::error::Error;
use crate::network::Network;
use crate::state::StateDict;

/// Dilations of the hidden layers, over and over.
pub const DILATIONS: [usize; 5] = [16, 8, 4, 2, 1];

/// What group norm adds to the variance.
const EPSILON: f32 = 1e-5;

/// A second copy of the last layer's weights that some files hold.
const COPY: &str = "seq_conv_argmax.weight";

/// Name of the weights of the convolution number `index`: it is followed by a norm and an activation.
pub fn layer_weight(index: usize) -> String {
    format!("model.{}.weight", 3 * index)
}

/// Whether these are the tensors of a MeshNet, as far as their names tell.
pub fn recognise(state: &StateDict) -> bool {
    state.contains_key(&layer_weight(0)) && state.contains_key(&layer_weight(1))
}

/// Builds the network, with the brain's probability as its output. A last layer without bias has
/// the bias 0.
///
/// # Errors
/// Tensors are missing, left over or of the wrong shape; there are not two classes; the number of
/// hidden layers is no multiple of the number of dilations.
pub fn build(state: &StateDict) -> Result<Network, Error> {
    let hidden = (0..)
        .take_while(|&index| state.contains_key(&layer_weight(index + 1)))
        .count();
    let [_, inputs] = shape(state, &layer_weight(0));
    let mut builder = Builder::new(state, inputs)?;
    if !hidden.is_multiple_of(DILATIONS.len()) {
        builder.problem(format!(
            "{hidden} hidden layers are no whole number of dilation cycles"
        ));
    }
    let mut x = 0;
    for index in 0..hidden {
        let weight = layer_weight(index);
        let [out, _] = shape(state, &weight);
        let weight = builder.take(&weight, &[out, builder.channels(x), 3, 3, 3]);
        let op = Op::Conv {
            out,
            kernel: 3,
            stride: 1,
            dilation: DILATIONS[index % DILATIONS.len()],
        };
        x = builder.push(
            &format!("conv_{index}"),
            op,
            &[x],
            vec![weight, vec![0.0; out]],
        )?;
        let op = Op::InstanceNorm { epsilon: EPSILON };
        let tensors = vec![vec![1.0; out], vec![0.0; out]];
        x = builder.push(&format!("norm_{index}"), op, &[x], tensors)?;
        x = builder.push(&format!("act_{index}"), Op::Gelu, &[x], Vec::new())?;
    }
    let (weight, bias) = brain_over_background(&mut builder, hidden, x);
    let op = Op::Conv {
        out: 1,
        kernel: 1,
        stride: 1,
        dilation: 1,
    };
    let x = builder.push("logit", op, &[x], vec![weight, bias])?;
    builder.sigmoid("brain", x)?;
    builder.finish("meshnet")
}

/// Weights and bias of the brain's logit minus those of the background's.
fn brain_over_background(
    builder: &mut Builder,
    index: usize,
    input: usize,
) -> (Vec<f64>, Vec<f64>) {
    let inputs = builder.channels(input);
    let name = layer_weight(index);
    let weight = builder.take(&name, &[2, inputs, 1, 1, 1]);
    if builder.has(COPY) && builder.take(COPY, &[2, inputs, 1, 1, 1]) != weight {
        builder.problem(format!(
            "'{COPY}' differs from '{name}', of which it should be a copy"
        ));
    }
    let bias_name = name.replace("weight", "bias");
    let bias = if builder.has(&bias_name) {
        builder.take(&bias_name, &[2])
    } else {
        vec![0.0; 2]
    };
    let difference = |values: &[f64]| {
        let (background, brain) = values.split_at(values.len() / 2);
        brain
            .iter()
            .zip(background)
            .map(|(brain, background)| brain - background)
            .collect()
    };
    (difference(&weight), difference(&bias))
}
