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
        let path = beside.join(path);
        if files.contains(&path) {
            return Err(Error::Tfjs(format!("'{}' is named twice", path.display())));
        }
        files.push(path);
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
            return fail(&format!("its class is not {expected}"));
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::synthetic;

    const HIDDEN: usize = 5;
    const CHANNELS: usize = 2;

    /// A MeshNet's topology, and its synthetic weights with the channels last.
    fn model() -> (Value, Vec<u8>) {
        let (mut layers, mut manifest, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
        let mut chain = |class: &str, name: String, config: Value| {
            let inbound = match layers.last() {
                None => json!([]),
                Some(last) => {
                    let last: &Value = last;
                    json!([[[last["name"], 0, 0, {}]]])
                }
            };
            layers.push(json!({
                "class_name": class, "name": name, "config": config, "inbound_nodes": inbound,
            }));
        };
        chain(
            "InputLayer",
            "input".into(),
            json!({"batch_input_shape": [null, 8, 8, 8, 1]}),
        );
        let state = synthetic::meshnet(HIDDEN, CHANNELS);
        for index in 0..=HIDDEN {
            let hidden = index < HIDDEN;
            let name = if hidden {
                format!("conv3d_{index}_gn")
            } else {
                "output".into()
            };
            chain(
                "Conv3D",
                name.clone(),
                json!({
                    "kernel_size": vec![if hidden { 3 } else { 1 }; 3],
                    "strides": [1, 1, 1],
                    "dilation_rate": vec![if hidden { DILATIONS[index] } else { 1 }; 3],
                    "padding": "same", "data_format": "channels_last", "activation": "linear",
                    "use_bias": !hidden,
                }),
            );
            if hidden {
                let config = json!({"activation": "gelu"});
                chain("Activation", format!("activation_{index}"), config);
            }
            let kernel = &state[&layer_weight(index)];
            let [outputs, inputs, depth, height, width] = kernel.shape[..] else {
                panic!()
            };
            let taps = depth * height * width;
            for tap in 0..taps {
                for input in 0..inputs {
                    for output in 0..outputs {
                        let value = kernel.data[(output * inputs + input) * taps + tap];
                        bytes.extend_from_slice(&value.to_le_bytes());
                    }
                }
            }
            manifest.push(json!({
                "name": format!("{name}/kernel"), "dtype": "float32",
                "shape": [depth, height, width, inputs, outputs],
            }));
        }
        let bias = &state[&layer_weight(HIDDEN).replace("weight", "bias")];
        bytes.extend(bias.data.iter().flat_map(|value| value.to_le_bytes()));
        manifest.push(json!({"name": "output/bias", "dtype": "float32", "shape": [2]}));
        let json = json!({
            "format": "layers-model",
            "modelTopology": {"model_config": {"config": {"layers": layers}}},
            "weightsManifest": [{"paths": ["model.bin"], "weights": manifest}],
        });
        (json, bytes)
    }

    fn read_value(json: &Value, weights: &[u8]) -> Result<StateDict, Error> {
        read(json.to_string().as_bytes(), weights)
    }

    #[test]
    fn kernels_are_transposed() {
        let (json, weights) = model();
        assert_eq!(
            read_value(&json, &weights).unwrap(),
            synthetic::meshnet(HIDDEN, CHANNELS)
        );
        let files = weight_files(json.to_string().as_bytes(), Path::new("folder")).unwrap();
        assert_eq!(files, [Path::new("folder/model.bin")]);
    }

    #[test]
    fn other_models_are_refused() {
        let layers = "/modelTopology/model_config/config/layers";
        for (pointer, value, cause) in [
            ("/format".into(), json!("graph-model"), "no layers model"),
            (
                "/weightsManifest/0/weights/0/dtype".into(),
                json!("uint8"),
                "only float32",
            ),
            (
                "/weightsManifest/0/weights/0/quantization".into(),
                json!({}),
                "only float32",
            ),
            (
                "/weightsManifest/0/weights/0/shape/0".into(),
                json!(0),
                "an axis is empty",
            ),
            (
                "/weightsManifest/0/weights/0/shape/0".into(),
                json!(4),
                "too short",
            ),
            (
                "/weightsManifest/0/weights/0/shape/0".into(),
                json!(1),
                "too long",
            ),
            (
                "/weightsManifest/0/weights/0/shape/0".into(),
                json!(u64::MAX),
                "too short",
            ),
            (
                "/weightsManifest/0/weights/0/shape".into(),
                json!([54]),
                "has 1 axes",
            ),
            (
                "/weightsManifest/0/weights/0/name".into(),
                json!("x"),
                "is missing",
            ),
            (
                "/weightsManifest/0/weights/1/name".into(),
                json!("conv3d_0_gn/kernel"),
                "given twice",
            ),
            (
                "/weightsManifest/0/weights/6/name".into(),
                json!("output/kernal"),
                "is missing",
            ),
            (
                format!("{layers}/1/config/dilation_rate"),
                json!([8, 8, 8]),
                "not the convolution",
            ),
            (
                format!("{layers}/1/config/padding"),
                json!("valid"),
                "not the convolution",
            ),
            (
                format!("{layers}/1/name"),
                json!("conv3d_0"),
                "not the convolution",
            ),
            (
                format!("{layers}/11/config/use_bias"),
                json!(false),
                "not the convolution",
            ),
            (
                format!("{layers}/2/config/activation"),
                json!("relu"),
                "not the activation",
            ),
            (
                format!("{layers}/2/class_name"),
                json!("Dropout"),
                "its class is not Activation",
            ),
            (
                format!("{layers}/3/inbound_nodes/0/0/0"),
                json!("input"),
                "not one chain",
            ),
            (
                format!("{layers}/3/inbound_nodes"),
                json!([]),
                "not one chain",
            ),
        ] {
            let (mut json, weights) = model();
            match json.pointer_mut(&pointer) {
                Some(found) => *found = value,
                None => json["weightsManifest"][0]["weights"][0]["quantization"] = value,
            }
            let error = read_value(&json, &weights).unwrap_err().to_string();
            assert!(error.contains(cause), "{pointer}: {error}");
        }
    }

    #[test]
    fn weight_files_stay_in_their_folder() {
        for path in ["../model.bin", "/model.bin", "a/model.bin", "..", ""] {
            let (mut json, _) = model();
            json["weightsManifest"][0]["paths"][0] = json!(path);
            let files = weight_files(json.to_string().as_bytes(), Path::new("folder"));
            assert!(files.is_err(), "{path}");
        }
    }

    /// Each would be read again: a short list could fill all memory.
    #[test]
    fn weight_files_are_named_once() {
        let (mut json, _) = model();
        json["weightsManifest"][0]["paths"] = json!(["model.bin", "model.bin"]);
        let error = weight_files(json.to_string().as_bytes(), Path::new("")).unwrap_err();
        assert!(error.to_string().contains("named twice"), "{error}");
    }

    proptest! {
        #[test]
        fn damaged_models_never_panic(
            edits in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..6),
        ) {
            let (json, weights) = model();
            let mut json = json.to_string().into_bytes();
            for (at, byte) in edits {
                let len = json.len();
                json[at % len] = byte;
            }
            let _ = weight_files(&json, Path::new(""));
            let _ = read(&json, &weights);
        }
    }
}
