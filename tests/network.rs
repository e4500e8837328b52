//! Whole networks, converted, planned and run on every instruction set, against what PyTorch made of the
//! same checkpoints in double precision (see `tools/py/dump_networks.py`).

mod common;
mod golden;
mod shared;

use std::sync::Arc;
use std::time::Instant;

use common::model;
use endocast::exec::Session;
use endocast::kernels::cpu::{Cpu, Isa};
use endocast::plan::{Options, Plan};
use endocast::weights::{Model, ModelWriter};
use endocast_tools::fold::fold;
use endocast_tools::{Network, StateDict, architecture, source, synthetic};
use shared::shared;

/// How far a probability may be from PyTorch's, for single precision; at most 5e-7 were seen.
const TOLERANCE: f64 = 1e-6;
/// The same for MindGrab, whose 24 normalised layers amplify rounding: PyTorch in single precision is off by
/// up to 2.1e-5 itself; here 4.9e-5 were seen.
const TOLERANCE_MINDGRAB: f64 = 1e-4;

/// How far a voxel of a layer may be from PyTorch's, over the layer's largest value; at most
/// 6e-7 were seen.
const TOLERANCE_LAYER: f64 = 2e-6;

const THREADS: usize = 2;

/// Runs `model` on the synthetic image with kernels up to `isa`.
fn run(model: &Arc<Model>, grid: usize, isa: Isa) -> Vec<f32> {
    let options = Options {
        threads: THREADS,
        policy: Cpu::detect().capped(isa).into(),
    };
    let plan = Plan::new(model.graph(), [grid; 3], options).unwrap();
    let mut session = Session::new(model.clone(), plan).unwrap();
    let image = synthetic::image(model.graph().input_channels(), grid);
    let mut result = vec![f32::NAN; session.result_len()];
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(THREADS)
        .build()
        .unwrap();
    pool.install(|| session.run(&image, &mut result)).unwrap();
    result
}

/// Compares the probabilities.
fn compare(case: &str, model: &Arc<Model>, grid: usize, isa: Isa, tolerance: f64) {
    let start = Instant::now();
    let result = run(model, grid, isa);
    let seconds = start.elapsed().as_secs_f64();
    assert!(result.iter().all(|value| (0.0..=1.0).contains(value)));
    let mut worst = 0.0;
    for voxel in golden::output(case) {
        let difference = (f64::from(result[voxel.index(grid)]) - voxel.value).abs();
        worst = f64::max(worst, difference);
    }
    println!("{case:34} {isa:6} max |difference| {worst:.1e}, {seconds:.2} s");
    assert!(worst <= tolerance, "{case}, {isa}: {worst:e}");
}

/// The part of a network that computes the node number `last`.
fn prefix(network: &Network, last: usize) -> Network {
    let mut needed = vec![false; last + 1];
    needed[last] = true;
    for index in (0..=last).rev() {
        if needed[index] {
            network
                .node(index)
                .inputs
                .iter()
                .for_each(|&input| needed[input] = true);
        }
    }
    let mut part = Network::default();
    let mut moved = vec![0; last + 1];
    for index in (0..=last).filter(|&index| needed[index]) {
        let node = network.node(index);
        let inputs: Vec<usize> = node.inputs.iter().map(|&input| moved[input]).collect();
        let tensors = network.tensors(index);
        moved[index] = part.push(&node.name, node.op, &inputs, tensors).unwrap();
    }
    part
}

/// The model of a network, whatever its output means.
fn model_of(network: &Network) -> Arc<Model> {
    let folded = fold(network).unwrap();
    let channels = folded.graph.output().unwrap().channels;
    let names: Vec<String> = (0..channels).map(|channel| format!("c{channel}")).collect();
    let preprocessing = format!(
        "route=brainmage-ma grid=32 outputs={} threshold=0.5",
        names.join(",")
    );
    let preprocessing = preprocessing.parse().unwrap();
    let mut writer = ModelWriter::new("part", folded.graph.clone(), &preprocessing);
    folded.write(&mut writer).unwrap();
    Arc::new(Model::from_bytes(&writer.finish().unwrap()).unwrap())
}

/// The engine's result of every layer in the tables, one network per layer that ends there: the first that
/// is off is the one whose kernel is.
fn check_layers(case: &str, state: StateDict, grid: usize) {
    let (_, network) = architecture::build(state).unwrap();
    for isa in Cpu::detect().isas() {
        let mut worst = (0.0, String::new());
        for (name, voxels) in golden::layers(case) {
            let last = network.graph.find(&name).unwrap();
            let result = run(&model_of(&prefix(&network, last)), grid, isa);
            let channels = network.node(last).channels;
            let edge = ((result.len() / channels) as f64).cbrt().round() as usize;
            let largest = result
                .iter()
                .fold(0.0, |largest: f64, &v| largest.max(v.abs().into()));
            for voxel in voxels {
                let difference =
                    (f64::from(result[voxel.index(edge)]) - voxel.value).abs() / largest;
                assert!(
                    difference <= TOLERANCE_LAYER,
                    "{case}, {isa}: layer {name} is off by {difference:.1e} of its largest value at {:?}",
                    voxel.at
                );
                if difference > worst.0 {
                    worst = (difference, name.clone());
                }
            }
        }
        println!(
            "{case:34} {isa:6} max |difference| of a layer {:.1e} ({})",
            worst.0, worst.1
        );
    }
}

fn check(case: &str, state: StateDict, grid: usize) {
    check_within(case, state, grid, TOLERANCE);
}

fn check_within(case: &str, state: StateDict, grid: usize, tolerance: f64) {
    let model = Arc::new(model(state));
    for isa in Cpu::detect().isas() {
        compare(case, &model, grid, isa, tolerance);
    }
}

#[test]
fn resunet() {
    let state = synthetic::resunet(4, 1, 1);
    check_layers("resunet-base4-grid32", state.clone(), 32);
    check("resunet-base4-grid32", state, 32);
}

#[test]
fn resunet_with_two_outputs() {
    let state = synthetic::resunet(4, 1, 2);
    check("resunet-base4-outputs2-grid32", state, 32);
}

#[test]
fn multi_4() {
    let state = synthetic::resunet(4, 4, 1);
    check_layers("multi4-base4-grid32", state.clone(), 32);
    check("multi4-base4-grid32", state, 32);
}

#[test]
fn fcn() {
    let state = synthetic::fcn(4);
    check_layers("fcn-base4-grid32", state.clone(), 32);
    check("fcn-base4-grid32", state, 32);
}

#[test]
fn meshnet() {
    let state = synthetic::meshnet(5, 5);
    check_layers("meshnet-layers5-channels5-grid20", state.clone(), 20);
    check("meshnet-layers5-channels5-grid20", state, 20);
}

#[test]
fn mindgrab() {
    let Some(folder) = shared("weights/mindgrab") else {
        return;
    };
    let path = folder.join("net_mindgrab.safetensors");
    let state = source::read(&path).unwrap().state;
    check_within("mindgrab-grid20", state.clone(), 20, TOLERANCE_MINDGRAB);
    check_within("mindgrab-grid64", state, 64, TOLERANCE_MINDGRAB);
}

/// BrainMaGe's full size. The portable kernels would take too long.
#[test]
fn resunet_at_full_size() {
    let model = Arc::new(model(synthetic::resunet(16, 1, 1)));
    for isa in Cpu::detect().isas().filter(|&isa| isa != Isa::Scalar) {
        compare("resunet-base16-grid128", &model, 128, isa, TOLERANCE);
    }
}
