//! Networks, before and after folding, against what PyTorch made of them (see `py/dump_networks.py`).

#[path = "../../tests/shared/mod.rs"]
mod shared;

use std::collections::HashMap;
use std::path::Path;

use endocast_tools::architecture;
use endocast_tools::fold::fold;
use endocast_tools::reference::{Volume, run};
use endocast_tools::{Network, Options, StateDict, convert, source, synthetic};
use endocast_weights::{Model, Role};
use shared::shared;

fn golden(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/data/networks")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

fn image(channels: usize, grid: usize) -> Volume {
    Volume {
        channels,
        grid: [grid; 3],
        data: synthetic::image(channels, grid)
            .iter()
            .map(|&v| v.into())
            .collect(),
    }
}

fn assert_near(found: f64, expected: f64, scale: f64, what: &str) {
    assert!(
        (found - expected).abs() <= 1e-8 * scale.max(1.0),
        "{what}: {found} {expected}"
    );
}

/// Asserts that a network's output has the probabilities that PyTorch computed.
fn check_output(case: &str, network: &Network, results: &[Volume], tolerance: f64) {
    let output = results.last().unwrap();
    assert_eq!(output.channels, network.graph.output().unwrap().channels);
    let mut rows = 0;
    for line in golden(&format!("{case}.output.tsv")).lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let [c, z, y, x] = [0, 1, 2, 3].map(|i| cells[i].parse::<usize>().unwrap());
        let expected: f64 = cells[4].parse().unwrap();
        let found = output.channel(c)[(z * output.grid[1] + y) * output.grid[2] + x];
        assert!(
            (found - expected).abs() <= tolerance,
            "{case} {line}: {found}"
        );
        rows += 1;
    }
    assert!(rows > 200, "{case}: {rows} voxels");
}

/// Asserts that the nodes of an unfolded network have the statistics that PyTorch computed; of a folded
/// one, those that are left.
fn check_blocks(case: &str, network: &Network, results: &[Volume]) {
    let rows: HashMap<String, Vec<f64>> = golden(&format!("{case}.blocks.tsv"))
        .lines()
        .skip(1)
        .map(|line| {
            let (name, numbers) = line.split_once('\t').unwrap();
            (
                name.into(),
                numbers.split('\t').map(|n| n.parse().unwrap()).collect(),
            )
        })
        .collect();
    for (name, expected) in rows {
        let index = network
            .graph
            .find(&name)
            .unwrap_or_else(|| panic!("{case}: no node {name}"));
        let data = &results[index].data;
        let mean = data.iter().sum::<f64>() / data.len() as f64;
        let variance = data.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / data.len() as f64;
        let min = data.iter().copied().fold(f64::INFINITY, f64::min);
        let max = data.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for (found, &expected) in [mean, variance.sqrt(), min, max].into_iter().zip(&expected) {
            assert_near(found, expected, expected.abs(), &format!("{case} {name}"));
        }
    }
}

fn check(case: &str, state: StateDict, grid: usize) {
    let (_, network) = architecture::build(state).unwrap();
    let image = image(network.graph.input_channels(), grid);
    let results = run(&network, &image);
    check_blocks(case, &network, &results);
    check_output(case, &network, &results, 1e-8);
    let folded = fold(&network).unwrap();
    check_output(case, &folded, &run(&folded, &image), 1e-8);
}

#[test]
fn resunet() {
    check("resunet-base4-grid32", synthetic::resunet(4, 1, 1), 32);
}

#[test]
fn resunet_with_two_outputs() {
    check(
        "resunet-base4-outputs2-grid32",
        synthetic::resunet(4, 1, 2),
        32,
    );
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
    check(
        "meshnet-layers5-channels5-grid20",
        synthetic::meshnet(5, 5),
        20,
    );
}

#[test]
fn mindgrab() {
    let Some(folder) = shared("weights/mindgrab") else {
        return;
    };
    let state = source::read(&folder.join("net_mindgrab.safetensors"))
        .unwrap()
        .state;
    check("mindgrab-grid20", state, 20);
}

#[test]
fn both_forms_of_mindgrab_are_one_model() {
    let Some(folder) = shared("weights/mindgrab") else {
        return;
    };
    let [tfjs, safetensors] =
        [folder.clone(), folder.join("net_mindgrab.safetensors")].map(|path| {
            let converted = convert(&path, &Options::default()).unwrap();
            assert_eq!(converted.name, "mindgrab");
            assert_eq!(converted.published.unwrap().license, "MIT");
            (
                converted.notes,
                Network::from_model(&Model::from_bytes(&converted.bytes).unwrap()),
            )
        });
    // Only the TensorFlow.js form has the last layer's bias.
    assert!(tfjs.0.is_empty());
    assert_eq!(
        safetensors.0,
        ["the last layer has no bias; it is taken to be 0"]
    );
    let logit = tfjs.1.graph.find("logit").unwrap();
    assert_eq!(tfjs.1.graph, safetensors.1.graph);
    assert_eq!(safetensors.1.tensor(logit, Role::Bias), [0.0]);
    let bias = tfjs.1.tensor(logit, Role::Bias)[0];
    assert!((bias + 3.0512).abs() < 1e-3, "{bias}");
    for index in 0..tfjs.1.graph.nodes().len() {
        for role in [Role::Weight, Role::Scale, Role::Shift] {
            assert_eq!(
                tfjs.1.tensor(index, role),
                safetensors.1.tensor(index, role)
            );
        }
    }
}
