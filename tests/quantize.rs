//! Quantisation from end to end: folders of scans in, model files out, and how far their masks are apart.

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use common::{Head, head, model};
use endocast::quantize::calibration::MIN_SCANS;
use endocast::weights::pack::ConvLayout;
use endocast::weights::{Graph, Model, ModelWriter, Op, Role};
use endocast_tools::synthetic::uniform;
use tempfile::TempDir;

const SHAPE: [usize; 3] = [40, 44, 36];

/// A folder with a model of three convolutions and scans to calibrate with.
struct Bench(TempDir);

impl Bench {
    fn new() -> Bench {
        let bench = Bench(tempfile::tempdir().unwrap());
        fs::create_dir(bench.path("scans")).unwrap();
        bench.write("f32.model", &brain_finder());
        for (name, brightness) in [("a", 1.0), ("b", 0.8), ("c", 1.2)] {
            let scan = Head {
                shape: SHAPE,
                volumes: vec![brightness],
            };
            bench.write(&format!("scans/{name}.nii"), &scan.file());
        }
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn quantize(&self, output: &str, options: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_endocast"));
        command
            .current_dir(self.0.path())
            .env_remove("ENDOCAST_CPU");
        command.args([
            "quantize",
            "f32.model",
            "--calibration",
            "scans",
            "-o",
            output,
        ]);
        command.args(options).output().unwrap()
    }

    fn good(&self, output: &str, options: &[&str]) -> Vec<u8> {
        let result = self.quantize(output, options);
        let errors = String::from_utf8(result.stderr).unwrap();
        assert!(result.status.success(), "{options:?}: {errors}");
        fs::read(self.path(output)).unwrap()
    }

    /// Runs `quantize`, which must fail with `code` and one line that holds `words`, and write nothing.
    fn bad(&self, code: i32, options: &[&str], words: &[&str]) {
        let result = self.quantize("int8.model", [options, &["--quiet"]].concat().as_slice());
        let errors = String::from_utf8(result.stderr).unwrap();
        assert_eq!(result.status.code(), Some(code), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(words.iter().all(|word| errors.contains(word)), "{errors}");
        assert!(!self.path("int8.model").exists());
    }
}

/// A network that blurs, mixes 20 random channels through an affine map, leaky ReLU and a sum, and finds
/// what is brighter than half the range: brain and tissue of [`head`].
fn brain_finder() -> Vec<u8> {
    let graph = Graph::parse(
        "input image channels=1\n\
         conv first image out=20 kernel=3 stride=1 dilation=1\n\
         affine norm first\n\
         leaky_relu act norm slope=0.01\n\
         conv second act out=20 kernel=3 stride=1 dilation=1\n\
         add sum second first\n\
         leaky_relu last_act sum slope=0.01\n\
         conv last last_act out=2 kernel=1 stride=1 dilation=1\n\
         sigmoid probability last\n",
    )
    .unwrap();
    let node = |name: &str| graph.find(name).unwrap();
    let [first, norm, second, last] = ["first", "norm", "second", "last"].map(node);
    let noise = |name: &str, count: usize, size: f32| -> Vec<f32> {
        (0..count)
            .map(|at| size * uniform(name, at) as f32)
            .collect()
    };
    // Channel 0 carries the image; the others are there to be disturbed by.
    let mut first_weight = noise("first", 20 * 27, 0.1);
    first_weight[..27].fill(1.0 / 27.0);
    let mut second_weight = noise("second", 20 * 20 * 27, 0.02);
    second_weight[..20 * 27].fill(0.0);
    let mut last_weight = noise("last", 40, 0.2);
    (last_weight[0], last_weight[20]) = (32.0, 32.0);
    // Ranges of channels that differ by a factor of a thousand, for equalisation to even out.
    let scale: Vec<f32> = (0..20).map(|c| 10_f32.powf(c as f32 * 0.15)).collect();
    let preprocessing = common::PREPROCESSING.parse().unwrap();
    let mut writer = ModelWriter::new("finder", graph, &preprocessing);
    for (node, role, values) in [
        (first, Role::Weight, first_weight),
        (first, Role::Bias, vec![0.0; 20]),
        (norm, Role::Scale, scale),
        (norm, Role::Shift, vec![0.1; 20]),
        (second, Role::Weight, second_weight),
        (second, Role::Bias, vec![0.05; 20]),
        (last, Role::Weight, last_weight),
        (last, Role::Bias, vec![-14.0, -20.0]),
    ] {
        writer.tensor(node, role, &values).unwrap();
    }
    writer.finish().unwrap()
}

/// Dice of the masks that two models make of a scan.
fn agreement(bench: &Bench, models: [&str; 2]) -> f64 {
    let masks = models.map(|model| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_endocast"));
        let mask = format!("{model}.nii");
        let arguments = [
            "extract",
            "scans/a.nii",
            "-m",
            &mask,
            "--model",
            model,
            "--force",
            "--qc-exit",
            "0",
        ];
        let status = command.current_dir(bench.0.path()).args(arguments).status();
        assert!(status.unwrap().success());
        fs::read(bench.path(&mask)).unwrap()
    });
    let counts = |test: fn(&(&u8, &u8)) -> bool| {
        masks[0][352..]
            .iter()
            .zip(&masks[1][352..])
            .filter(test)
            .count() as f64
    };
    let [a, b] = [counts(|(a, _)| **a != 0), counts(|(_, b)| **b != 0)];
    2.0 * counts(|(a, b)| **a != 0 && **b != 0) / (a + b)
}

#[test]
fn every_convolution_becomes_int8_and_the_masks_agree() {
    let bench = Bench::new();
    for preset in ["mixed", "performance"] {
        let name = format!("{preset}.model");
        let report = format!("{preset}.json");
        let bytes = bench.good(&name, &["--preset", preset, "--report", &report]);
        let model = Model::from_bytes(&bytes).unwrap();
        let graph = model.graph();
        for (index, node) in graph.nodes().iter().enumerate() {
            match node.op {
                Op::Conv { .. } => {
                    let layout = ConvLayout::of(graph, index).unwrap();
                    layout
                        .check_int8(model.int8_weights(index).unwrap())
                        .unwrap();
                }
                Op::Quantize(quantisation) if preset == "performance" => {
                    assert!([0, 128].contains(&quantisation.zero), "{quantisation:?}");
                }
                _ => {}
            }
        }
        let dice = agreement(&bench, ["f32.model", &name]);
        assert!(dice > 0.99, "{preset}: {dice}");
        let report = fs::read(bench.path(&report)).unwrap();
        let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
        let layers = report["layers"].as_array().unwrap();
        assert_eq!(layers.len(), 3);
        for layer in layers {
            assert_eq!(layer["decision"], "int8");
            assert!(layer["sqnr_db"].as_f64().unwrap() > 20.0, "{layer}");
        }
        // The affine map's channels differ a thousandfold; evening that out must have been worth it.
        assert!(layers[1]["activations"]["equalisation"].is_number());
        assert!(layers[0]["activations"]["equalisation"].is_null());
    }
}

#[test]
fn the_file_depends_neither_on_threads_nor_on_the_run() {
    let bench = Bench::new();
    let one = bench.good("one.model", &["--threads", "1"]);
    assert!(one == bench.good("three.model", &["--threads", "3"]));
    assert!(one == bench.good("again.model", &["--threads", "3"]));
}

#[test]
fn layers_are_put_back_until_the_loss_is_small_enough() {
    let bench = Bench::new();
    let options = [
        "--accuracy-aware",
        "--max-drop",
        "0",
        "--report",
        "report.json",
    ];
    let bytes = bench.good("exact.model", &options);
    let report = fs::read(bench.path("report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    let loss = 1.0 - report["result"]["dice_mean"].as_f64().unwrap();
    let reverted = report["reverted"].as_array().unwrap().len();
    let layers = report["layers"].as_array().unwrap();
    assert!(
        layers
            .iter()
            .all(|layer| layer["sensitivity"]["dice"].is_number())
    );
    let single = layers.iter().filter(|layer| layer["decision"] == "f32");
    assert_eq!(single.count(), reverted);
    assert!(loss <= 0.0 || reverted == layers.len(), "{loss}");
    let model = Model::from_bytes(&bytes).unwrap();
    let nodes = 0..model.graph().nodes().len();
    let int8 = nodes.filter(|&node| model.graph().quantisation(node).is_some());
    assert_eq!(int8.count(), layers.len() - reverted);

    let lenient = ["--accuracy-aware", "--max-drop", "0.5"];
    assert!(bench.good("lenient.model", &lenient) == bench.good("plain.model", &[]));
}

#[test]
fn useless_scans_are_named() {
    let bench = Bench::new();
    fs::rename(bench.path("scans"), bench.path("elsewhere")).unwrap();
    bench.bad(3, &[], &["scans", "cannot read"]);
    fs::rename(bench.path("elsewhere"), bench.path("scans")).unwrap();
    let good = fs::read(bench.path("scans/c.nii")).unwrap();

    let mut constant = head(SHAPE).file();
    constant[352..].fill(3);
    bench.write("scans/c.nii", &constant);
    bench.bad(3, &[], &["c.nii", "constant"]);

    let mut series = head(SHAPE);
    series.volumes = vec![1.0, 1.0];
    bench.write("scans/c.nii", &series.file());
    bench.bad(3, &[], &["c.nii", "2 volumes"]);

    bench.write("scans/c.nii", b"no scan");
    bench.bad(3, &[], &["c.nii"]);

    fs::remove_file(bench.path("scans/c.nii")).unwrap();
    bench.bad(3, &[], &["scans", "2 scans", &MIN_SCANS.to_string()]);

    bench.write("scans/c.nii", &good);
    bench.good("once.model", &[]);
    fs::rename(bench.path("once.model"), bench.path("f32.model")).unwrap();
    bench.bad(6, &[], &["f32.model", "quantised already"]);
}

#[test]
fn networks_of_several_images_are_refused() {
    let bench = Bench::new();
    let state = endocast_tools::synthetic::resunet(2, 4, 1);
    assert_eq!(model(state.clone()).graph().input_channels(), 4);
    let checkpoint = endocast_tools::source::Checkpoint {
        state,
        sha256: "0".repeat(64),
    };
    let options = endocast_tools::Options::default();
    let converted = endocast_tools::convert_checkpoint(checkpoint, &options).unwrap();
    bench.write("f32.model", &converted.bytes);
    bench.bad(3, &[], &["a.nii", "network reads 4"]);
}
