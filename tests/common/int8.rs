//! Int8 models made from nothing.

use endocast::weights::pack::MAX_PAIR_SUM;
use endocast::weights::{Model, ModelWriter, Op, Quantisation, Role};
use endocast_tools::reference::{self, Volume};
use endocast_tools::{Network, StateDict, synthetic};

use super::model;

/// The synthetic image of `grid` voxels an edge.
pub fn image(channels: usize, grid: usize) -> Volume {
    let voxels = synthetic::image(channels, grid);
    Volume {
        channels,
        grid: [grid; 3],
        data: voxels.into_iter().map(f64::from).collect(),
    }
}

/// The network of a checkpoint that never was a file, with every convolution for which `chosen` holds in
/// int8: ranges are the extremes on an image of `grid` voxels an edge. Without its last activation if
/// `logits`.
pub fn quantised(
    state: StateDict,
    grid: usize,
    logits: bool,
    chosen: impl Fn(&str) -> bool,
) -> Network {
    let single = Network::from_model(&model(state));
    let nodes = single.graph.nodes();
    let results = reference::run(&single, &image(single.graph.input_channels(), grid));
    let mut network = Network::default();
    let mut index_of: Vec<usize> = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        if logits && index + 1 == nodes.len() && matches!(node.op, Op::Sigmoid | Op::Softmax) {
            break;
        }
        let mut inputs: Vec<usize> = node.inputs.iter().map(|&input| index_of[input]).collect();
        let mut tensors = single.tensors(index);
        if matches!(node.op, Op::Conv { .. }) && chosen(&node.name) {
            let quantisation = range(&results[node.inputs[0]].data);
            let name = format!("{}.q", node.name);
            let op = Op::Quantize(quantisation);
            inputs = vec![network.push(&name, op, &inputs, vec![]).unwrap()];
            let per_output = tensors[0].len() / node.channels;
            let mut scales = Vec::new();
            for weights in tensors[0].chunks_exact_mut(per_output) {
                let largest = weights.iter().fold(1e-9_f64, |most, w| most.max(w.abs()));
                // Half the largest sum for each of a pair.
                let step = largest / f64::from(MAX_PAIR_SUM / 2);
                weights.iter_mut().for_each(|w| *w = (*w / step).round());
                scales.push(f64::from((step * f64::from(quantisation.scale)) as f32));
            }
            tensors.insert(1, scales);
        }
        index_of.push(network.push(&node.name, node.op, &inputs, tensors).unwrap());
    }
    network
}

/// 0 to 255 from the smallest to the largest of `values` and 0.
fn range(values: &[f64]) -> Quantisation {
    let low = values.iter().fold(0.0_f64, |low, v| low.min(*v));
    let high = values.iter().fold(low + 1e-6, |high, v| high.max(*v));
    let scale = (high - low) / 255.0;
    Quantisation {
        scale: scale as f32,
        zero: (-low / scale).round() as u8,
    }
}

/// The model of `network`.
pub fn written(network: &Network) -> Model {
    let channels = network.graph.output().map_or(0, |node| node.channels);
    let outputs: Vec<String> = (0..channels).map(|i| format!("output{i}")).collect();
    let preprocessing = format!(
        "route=brainmage-ma grid=32 outputs={} threshold=0.5",
        outputs.join(",")
    );
    let graph = network.graph.clone();
    let mut writer = ModelWriter::new("int8", graph, &preprocessing.parse().unwrap());
    network.write(&mut writer).unwrap();
    let model = Model::from_bytes(&writer.finish().unwrap()).unwrap();
    assert!(model.graph().is_quantised());
    assert!(model.tensor(0, Role::Weight).is_none());
    model
}
