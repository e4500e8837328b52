//! Four images of one head, for BrainMaGe's four-channel network.

use endocast::weights::{Graph, ModelWriter, Role};
use endocast::{Extractor, Options, extract};
use endocast_tools::synthetic;

use crate::bench::{Bench, assert_failed, count};
use crate::common;

/// The one shape that the route puts in the right place.
const ATLAS: [usize; 3] = [240, 240, 155];
/// Of the balls that stand for T1, T2, contrast-enhanced T1 and FLAIR, in mm.
const RADII: [f64; 4] = [70.0, 60.0, 50.0, 65.0];

/// A model that finds the brain where one of the four images is bright.
fn model(channel: usize) -> Vec<u8> {
    const GAIN: f32 = 20.0;
    let graph = Graph::parse(
        "input image channels=4\n\
         conv last image out=1 kernel=1 stride=1 dilation=1\n\
         sigmoid probability last\n",
    )
    .unwrap();
    let conv = graph.find("last").unwrap();
    let preprocessing = "route=brainmage-multi-4 grid=64 outputs=brain threshold=0.9";
    let mut writer = ModelWriter::new("four", graph, &preprocessing.parse().unwrap());
    let mut weights = [0.0; 4];
    weights[channel] = GAIN;
    writer.tensor(conv, Role::Weight, &weights).unwrap();
    writer.tensor(conv, Role::Bias, &[-0.1 * GAIN]).unwrap();
    writer.finish().unwrap()
}

/// A bright ball in the middle of voxels of 1 mm, as NIfTI-1; `shift` moves the grid.
fn ball(radius: f64, shape: [usize; 3], shift: f32) -> Vec<u8> {
    let mut file = vec![0; 352];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &348_i32.to_le_bytes());
    let dims = [3, shape[0], shape[1], shape[2], 1, 1, 1, 1];
    for (index, dim) in dims.into_iter().enumerate() {
        put(40 + 2 * index, &(dim as i16).to_le_bytes());
        put(76 + 4 * index, &1_f32.to_le_bytes());
    }
    put(70, &2_i16.to_le_bytes());
    put(72, &8_i16.to_le_bytes());
    put(108, &352_f32.to_le_bytes());
    put(254, &1_i16.to_le_bytes());
    for axis in 0..3 {
        put(280 + 20 * axis, &1_f32.to_le_bytes());
        put(292 + 16 * axis, &shift.to_le_bytes());
    }
    put(344, b"n+1\0");
    let [nx, ny, _] = shape;
    let voxels = (0..shape.iter().product()).map(|index: usize| {
        let at = [index % nx, index / nx % ny, index / nx / ny];
        let from_middle = |axis: usize| at[axis] as f64 - (shape[axis] - 1) as f64 / 2.0;
        let squared: f64 = (0..3).map(|axis| from_middle(axis).powi(2)).sum();
        200 * u8::from(squared < radius * radius)
    });
    file.extend(voxels);
    file
}

/// A bench with the four images `t1.nii`, `t2.nii`, `t1ce.nii`, `flair.nii`.
fn bench() -> Bench {
    let bench = Bench::new();
    for (name, radius) in ["t1", "t2", "t1ce", "flair"].into_iter().zip(RADII) {
        bench.write(&format!("{name}.nii"), &ball(radius, ATLAS, 0.0));
    }
    bench
}

#[test]
fn each_image_reaches_its_channel() {
    let bench = bench();
    for (channel, radius) in RADII.into_iter().enumerate() {
        bench.write("four.model", &model(channel));
        bench.good(&[
            "t1.nii",
            "--channels",
            "{dir}/t2.nii",
            "t1ce.nii",
            "flair.nii",
            "--model",
            "four.model",
            "-m",
            "m.nii",
            "--qc-exit",
            "0",
            "--force",
            "--sidecar",
        ]);
        let found = count(&bench.values("m.nii")) as f64;
        let expected = 4.0 / 3.0 * std::f64::consts::PI * radius.powi(3);
        assert!(
            (found / expected - 1.0).abs() < 0.1,
            "{channel}: {found} {expected}"
        );
        assert_eq!(
            bench.scan("m.nii").geometry(),
            bench.scan("t1.nii").geometry()
        );
    }
    let sidecar = std::fs::read(bench.path("m.json")).unwrap();
    let sidecar: serde_json::Value = serde_json::from_slice(&sidecar).unwrap();
    let sources = serde_json::json!(["t1.nii", "./t2.nii", "t1ce.nii", "flair.nii"]);
    assert_eq!(sidecar["Sources"], sources);
    assert_eq!(sidecar["ChannelsSHA256"].as_array().unwrap().len(), 3);
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let bench = bench();
    bench.write("four.model", &model(0));
    bench.write("moved.nii", &ball(50.0, ATLAS, 2.0));
    bench.write("dark.nii", &ball(0.0, ATLAS, 0.0));
    bench.write("small.nii", &ball(20.0, [64; 3], 0.0));
    let refused = |words: &[&str], code: i32, causes: &[&str]| {
        let before = bench.files();
        let output = bench
            .command(&[words, &["-m", "m.nii"]].concat())
            .output()
            .unwrap();
        assert_failed(&output, code, causes);
        assert_eq!(bench.files(), before);
    };
    let four = ["--model", "four.model", "--channels"];
    let with =
        |scan: &'static str, others: [&'static str; 3]| [&[scan][..], &four, &others].concat();
    refused(
        &with("t1.nii", ["t2.nii", "moved.nii", "flair.nii"]),
        3,
        &["moved.nii", "not on the grid of t1.nii"],
    );
    refused(
        &with("t1.nii", ["t2.nii", "t1ce.nii", "small.nii"]),
        3,
        &["small.nii", "not on the grid of t1.nii"],
    );
    refused(
        &with("small.nii", ["small.nii"; 3]),
        3,
        &["small.nii", "240 x 240 x 155"],
    );
    refused(
        &with("t1.nii", ["t2.nii", "t1ce.nii", "dark.nii"]),
        3,
        &["dark.nii"],
    );
    refused(
        &with("t1.nii", ["t2.nii", "absent.nii", "flair.nii"]),
        3,
        &["absent.nii"],
    );
    refused(
        &["t1.nii", "--model", "four.model"],
        2,
        &["4 images", "not 1", "--channels"],
    );
    let one = [
        "head.nii",
        "--model",
        "threshold.model",
        "--channels",
        "t1.nii",
        "t2.nii",
        "flair.nii",
    ];
    refused(&one, 2, &["1 image", "not 4"]);
    refused(
        &["t1.nii", "--channels", "t2.nii", "flair.nii"],
        2,
        &["--channels"],
    );
}

#[test]
fn a_converted_network_of_four_channels_wants_four_images() {
    let model = common::model(synthetic::resunet(1, 4, 1));
    assert_eq!(model.preprocessing().route.channels(), 4);
    let mut extractor = Extractor::new(model, &Options::default()).unwrap();
    let bench = Bench::new();
    let error = extractor
        .extract(&bench.scan("head.nii"), false)
        .unwrap_err();
    assert!(
        matches!(
            error,
            extract::Error::Channels {
                expected: 4,
                found: 1
            }
        ),
        "{error}"
    );
}
