//! Networks, before and after folding, against what PyTorch made of them (see `py/dump_networks.py`).

#[path = "../../tests/golden/mod.rs"]
mod golden;
#[path = "../../tests/shared/mod.rs"]
mod shared;

use endocast_tools::architecture;
use endocast_tools::fold::fold;
use endocast_tools::reference::{Volume, run};
use endocast_tools::{Network, Options, StateDict, convert, source, synthetic};
use endocast_weights::{Model, Role};
use shared::shared;

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
    for voxel in golden::output(case) {
        let found = output.data[voxel.index(output.grid[0])];
        assert!(
            (found - voxel.value).abs() <= tolerance,
            "{case} {:?}: {found} {}",
            voxel.at,
            voxel.value
        );
    }
}

/// Asserts that the nodes of an unfolded network have the statistics and voxels that PyTorch computed.
fn check_layers(case: &str, network: &Network, results: &[Volume]) {
    let result = |name: &str| {
        let index = network.graph.find(name);
        &results[index.unwrap_or_else(|| panic!("{case}: no node {name}"))]
    };
    for (name, expected) in golden::blocks(case) {
        let data = &result(&name).data;
        let mean = data.iter().sum::<f64>() / data.len() as f64;
        let variance = data.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / data.len() as f64;
        let min = data.iter().copied().fold(f64::INFINITY, f64::min);
        let max = data.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for (found, expected) in [mean, variance.sqrt(), min, max].into_iter().zip(expected) {
            assert_near(found, expected, expected.abs(), &format!("{case} {name}"));
        }
    }
    for (name, voxels) in golden::layers(case) {
        let volume = result(&name);
        for voxel in voxels {
            let found = volume.data[voxel.index(volume.grid[0])];
            let what = format!("{case} {name} {:?}", voxel.at);
            assert_near(found, voxel.value, voxel.value.abs(), &what);
        }
    }
}

fn check(case: &str, state: StateDict, grid: usize) {
    let (_, network) = architecture::build(state).unwrap();
    let image = image(network.graph.input_channels(), grid);
    let results = run(&network, &image);
    check_layers(case, &network, &results);
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
