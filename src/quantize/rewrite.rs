//! Networks to model files.

use std::collections::BTreeSet;

use endocast_tools::Network;
use endocast_weights::{Error as WeightsError, Model, ModelWriter, Op, Preprocessing, Role};

use super::Error;
use super::equalise::{Channels, Factors};
use super::layer::Fitted;

/// The equalised `network` with every fitted convolution but the `reverted` in 8 bits.
pub(super) fn quantised(
    network: &Network,
    fitted: &[Fitted],
    channels: &Channels,
    factors: &Factors,
    reverted: &BTreeSet<usize>,
) -> Result<Network, Error> {
    let mut result = Network::default();
    // Where each node of the old graph is in the new one, and its quantised form.
    let mut places = Vec::new();
    let mut quantised = vec![None; network.graph.nodes().len()];
    for (index, node) in network.graph.nodes().iter().enumerate() {
        let int8 = fitted
            .iter()
            .flat_map(|site| site.layers.iter().map(move |layer| (site, layer)))
            .find(|(_, layer)| layer.node == index && !reverted.contains(&index));
        let place = match int8 {
            None => {
                let inputs: Vec<usize> = node.inputs.iter().map(|&input| places[input]).collect();
                result.push(&node.name, node.op, &inputs, network.tensors(index))?
            }
            Some((site, layer)) => {
                let input = match quantised[site.node] {
                    Some(input) => input,
                    None => {
                        let name = format!("{}.q", network.node(site.node).name);
                        let op = Op::Quantize(site.quantisation);
                        result.push(&name, op, &[places[site.node]], vec![])?
                    }
                };
                quantised[site.node] = Some(input);
                let outputs = 0..node.channels;
                let factor = |output: usize| channels.factor(factors, index, output);
                let step = f64::from(site.quantisation.scale);
                let tensors = vec![
                    layer.weights.values.iter().map(|&w| f64::from(w)).collect(),
                    outputs
                        .clone()
                        .map(|o| step * f64::from(layer.weights.scales[o]) / factor(o))
                        .collect(),
                    outputs
                        .map(|o| {
                            let correction = f64::from(layer.bias_correction[o]);
                            network.tensor(index, Role::Bias)[o] + correction / factor(o)
                        })
                        .collect(),
                ];
                result.push(&node.name, node.op, &[input], tensors)?
            }
        };
        places.push(place);
    }
    Ok(result)
}

/// The file of `network`, with all else as in `model`.
pub(super) fn bytes(network: &Network, model: &Model) -> Result<Vec<u8>, Error> {
    write(network, model.preprocessing(), model).map_err(Error::Weights)
}

/// The file of `network` with `preprocessing`, and the name and origin of `model`.
pub(super) fn write(
    network: &Network,
    preprocessing: &Preprocessing,
    model: &Model,
) -> Result<Vec<u8>, WeightsError> {
    let mut writer = ModelWriter::new(model.name(), network.graph.clone(), preprocessing);
    for key in ["license", "source_sha256"] {
        if let Some(value) = model.metadata(key) {
            writer.metadata(key, value)?;
        }
    }
    writer.metadata("tool", concat!("endocast ", env!("CARGO_PKG_VERSION")))?;
    network.write(&mut writer)?;
    writer.finish()
}
