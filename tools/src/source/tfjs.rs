//! TensorFlow.js layers models of MeshNets: `model.json` and the weight files it names.
//!
//! Such a model is a chain of `Conv3D` layers without bias, each followed by an activation, and a
//! last `Conv3D` of kernel 1. What follows a convolution whose name ends in `_gn` is not in the file:
//! the program that runs the model (brainchop) normalises each channel of its result.

use std::path::{Component, Path};

use serde::Deserialize;

use crate::architecture::meshnet::{DILATIONS, layer_weight};
use crate::error::Error;
use crate::state::{StateDict, Tensor};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LayersModel {
    format: String,
    model_topology: Topology,
    weights_manifest: Vec<Group>,
}

#[derive(Deserialize)]
struct Topology {
    model_config: ModelConfig,
}

#[derive(Deserialize)]
struct ModelConfig {
    config: Layers,
}

#[derive(Deserialize)]
struct Layers {
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
struct Layer {
    class_name: String,
    name: String,
    config: LayerConfig,
    /// Per call of the layer, per input: the input's layer, then what does not matter.
    inbound_nodes: Vec<Vec<Vec<serde_json::Value>>>,
}

#[derive(Deserialize)]
struct LayerConfig {
    #[serde(default)]
    kernel_size: Vec<usize>,
    #[serde(default)]
    strides: Vec<usize>,
    #[serde(default)]
    dilation_rate: Vec<usize>,
    #[serde(default)]
    padding: String,
    #[serde(default)]
    data_format: String,
    #[serde(default)]
    activation: String,
    #[serde(default)]
    use_bias: bool,
}

#[derive(Deserialize)]
struct Group {
    paths: Vec<String>,
    weights: Vec<Weight>,
}

#[derive(Deserialize)]
struct Weight {
    name: String,
    shape: Vec<usize>,
    dtype: String,
    quantization: Option<serde_json::Value>,
}

/// The files that the model `json` names, in order, within the folder `beside`.
pub fn weight_files(json: &[u8], beside: &Path) -> Result<Vec<std::path::PathBuf>, Error> {
    let mut files = Vec::new();
    for path in parse(json)?
        .weights_manifest
        .iter()
        .flat_map(|group| &group.paths)
    {
        let mut components = Path::new(path).components();
        let plain = matches!(components.next(), Some(Component::Normal(_)));
        if !plain || components.next().is_some() {
            return Err(Error::Tfjs(format!(
                "'{}' is not a plain file name",
                path.escape_default()
            )));
        }
        files.push(beside.join(path));
    }
    Ok(files)
}

/// Reads the model `json` with its weights, the contents of [`weight_files`] one after the other.
///
/// The result has the names, axes and order of a PyTorch MeshNet.
pub fn read(json: &[u8], weights: &[u8]) -> Result<StateDict, Error> {
    let model = parse(json)?;
    let convolutions = convolutions(&model.model_topology.model_config.config.layers)?;
    let mut tensors = split(&model.weights_manifest, weights)?;
    let mut state = StateDict::new();
    for (index, convolution) in convolutions.iter().enumerate() {
        let mut take = |part: &str| {
            let name = format!("{}/{part}", convolution.name);
            tensors
                .remove(&name)
                .ok_or_else(|| Error::Tfjs(format!("'{name}' is missing")))
        };
        let name = layer_weight(index);
        let kernel = take("kernel")?;
        state.insert(
            name.clone(),
            channels_first(&kernel).ok_or_else(|| {
                Error::Tfjs(format!(
                    "'{}/kernel' has {} axes",
                    convolution.name,
                    kernel.shape.len()
                ))
            })?,
        );
        if convolution.config.use_bias {
            state.insert(name.replace("weight", "bias"), take("bias")?);
        }
    }
    match tensors.into_keys().next() {
        Some(name) => Err(Error::Tfjs(format!(
            "no layer has a tensor '{}'",
            name.escape_default()
        ))),
        None => Ok(state),
    }
}

fn parse(json: &[u8]) -> Result<LayersModel, Error> {
    let model: LayersModel =
        serde_json::from_slice(json).map_err(|error| Error::Tfjs(error.to_string()))?;
    match model.format.as_str() {
        "layers-model" => Ok(model),
        other => Err(Error::Tfjs(format!(
            "'{}' is no layers model",
            other.escape_default()
        ))),
    }
}

/// The model's convolutions in order, once the layers are known to form a MeshNet.
fn convolutions(layers: &[Layer]) -> Result<Vec<&Layer>, Error> {
    let mut convolutions = Vec::new();
    let mut previous: Option<&Layer> = None;
    let last = layers.len().saturating_sub(1);
    for (index, layer) in layers.iter().enumerate() {
        let fail = |cause: &str| {
            let name = layer.name.escape_default();
            Err(Error::Tfjs(format!("layer '{name}': {cause}")))
        };
        let inputs: Vec<_> = layer.inbound_nodes.iter().flatten().collect();
        let chained = match (previous, &inputs[..]) {
            (None, []) => true,
            (Some(previous), [input]) => input.first().is_some_and(|name| *name == previous.name),
            _ => false,
        };
        if !chained {
            return fail("the layers are not one chain");
        }
        let expected = match index {
            0 => "InputLayer",
            _ if index % 2 == 1 => "Conv3D",
            _ => "Activation",
        };
        if layer.class_name != expected {
            return fail(&format!("a {expected} is expected in its place"));
        }
        match expected {
            "Conv3D" => {
                let hidden = index != last;
                let dilation = if hidden {
                    DILATIONS[convolutions.len() % DILATIONS.len()]
                } else {
                    1
                };
                let config = &layer.config;
                let as_expected = config.kernel_size == [if hidden { 3 } else { 1 }; 3]
                    && config.strides == [1; 3]
                    && config.dilation_rate == [dilation; 3]
                    && config.padding == "same"
                    && config.data_format == "channels_last"
                    && config.activation == "linear"
                    && config.use_bias != hidden
                    && layer.name.ends_with("_gn") == hidden;
                if !as_expected {
                    return fail("not the convolution that a MeshNet has in this place");
                }
                convolutions.push(layer);
            }
            "Activation" if layer.config.activation != "gelu" || index == last => {
                return fail("not the activation that a MeshNet has in this place");
            }
            _ => {}
        }
        previous = Some(layer);
    }
    Ok(convolutions)
}

/// Cuts the weights into tensors.
fn split(groups: &[Group], mut weights: &[u8]) -> Result<StateDict, Error> {
    let mut tensors = StateDict::new();
    for weight in groups.iter().flat_map(|group| &group.weights) {
        let fail = |cause: &str| {
            Err(Error::Tfjs(format!(
                "'{}': {cause}",
                weight.name.escape_default()
            )))
        };
        if weight.dtype != "float32" || weight.quantization.is_some() {
            return fail("only float32 is supported");
        }
        if weight.shape.contains(&0) {
            return fail("an axis is empty");
        }
        let len = weight
            .shape
            .iter()
            .try_fold(size_of::<f32>(), |len, &edge| len.checked_mul(edge));
        let Some((bytes, rest)) = len.and_then(|len| weights.split_at_checked(len)) else {
            return fail("the weight files are too short");
        };
        weights = rest;
        let tensor = Tensor {
            shape: weight.shape.clone(),
            data: bytes
                .as_chunks()
                .0
                .iter()
                .map(|&element| f32::from_le_bytes(element))
                .collect(),
        };
        if tensors.insert(weight.name.clone(), tensor).is_some() {
            return fail("given twice");
        }
    }
    if weights.is_empty() {
        Ok(tensors)
    } else {
        Err(Error::Tfjs("the weight files are too long".into()))
    }
}

/// A kernel `[depth, height, width, in, out]` as `[out, in, depth, height, width]`.
fn channels_first(kernel: &Tensor) -> Option<Tensor> {
    let [depth, height, width, inputs, outputs] = kernel.shape[..] else {
        return None;
    };
    let taps = depth * height * width;
    let mut data = Vec::with_capacity(kernel.data.len());
    for output in 0..outputs {
        for input in 0..inputs {
            data.extend(
                (0..taps).map(|tap| kernel.data[(tap * inputs + input) * outputs + output]),
            );
        }
    }
    Some(Tensor {
        shape: vec![outputs, inputs, depth, height, width],
        data,
    })
}
