//! Whole networks, converted, planned and run on every instruction set, against what PyTorch made of the
//! same checkpoints in double precision (see `tools/py/dump_networks.py`).

mod common;
mod shared;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use common::model;
use endocast::exec::Session;
use endocast::kernels::cpu::{Cpu, Isa};
use endocast::plan::{Options, Plan};
use endocast::weights::Model;
use endocast_tools::{StateDict, source, synthetic};
use shared::shared;

/// How far a probability may be from PyTorch's, for single precision; at most 5e-7 were seen.
const TOLERANCE: f64 = 1e-6;
/// The same for MindGrab, whose 24 normalised layers amplify rounding: PyTorch in single precision is off by
/// up to 2.1e-5 itself; here 4.9e-5 were seen.
const TOLERANCE_MINDGRAB: f64 = 1e-4;

/// Channel, z, y, x and PyTorch's probability.
fn golden(case: &str) -> Vec<([usize; 4], f64)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(format!("tests/data/networks/{case}.output.tsv"));
    let text = std::fs::read_to_string(path).unwrap();
    let rows: Vec<_> = text
        .lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            let index = [0, 1, 2, 3].map(|at| cells[at].parse().unwrap());
            (index, cells[4].parse().unwrap())
        })
        .collect();
    assert!(rows.len() > 200, "{case}: {} voxels", rows.len());
    rows
}

/// Runs `model` on the synthetic image with kernels up to `isa` and compares the probabilities.
fn compare(case: &str, model: &Arc<Model>, grid: usize, isa: Isa, tolerance: f64) {
    const THREADS: usize = 2;
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
    let start = Instant::now();
    pool.install(|| session.run(&image, &mut result)).unwrap();
    let seconds = start.elapsed().as_secs_f64();
    assert!(result.iter().all(|value| (0.0..=1.0).contains(value)));
    let mut worst = 0.0;
    for ([c, z, y, x], expected) in golden(case) {
        let found = f64::from(result[((c * grid + z) * grid + y) * grid + x]);
        let difference = (found - expected).abs();
        worst = f64::max(worst, difference);
    }
    println!("{case:34} {isa:6} max |difference| {worst:.1e}, {seconds:.2} s");
    assert!(worst <= tolerance, "{case}, {isa}: {worst:e}");
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
    check("resunet-base4-grid32", synthetic::resunet(4, 1, 1), 32);
}

#[test]
fn resunet_with_two_outputs() {
    let state = synthetic::resunet(4, 1, 2);
    check("resunet-base4-outputs2-grid32", state, 32);
}

#[test]
fn multi_4() {
    check("multi4-base4-grid32", synthetic::resunet(4, 4, 1), 32);
}

#[test]
fn fcn() {
    check("fcn-base4-grid32", synthetic::fcn(4), 32);
}

#[test]
fn meshnet() {
    let state = synthetic::meshnet(5, 5);
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
