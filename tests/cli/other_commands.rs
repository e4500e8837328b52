//! The other commands, and what all have in common.

use std::process::Stdio;

use endocast_tools::{StateDict, synthetic};

use crate::bench::{Bench, SHAPE, assert_failed, count};
use crate::common::{PREPROCESSING, head};

#[test]
fn help_is_there() {
    let bench = Bench::new();
    let help = bench.good(&["--help"]);
    for word in ["extract", "convert", "compare", "explain", "Exit codes"] {
        assert!(help.contains(word), "{help}");
    }
    assert!(
        bench
            .good(&["--version"])
            .contains(env!("CARGO_PKG_VERSION"))
    );
    for command in [
        "extract",
        "convert",
        "quantize",
        "info",
        "explain",
        "bench",
        "compare",
        "selftest",
        "validate",
        "bids",
        "completions",
        "man",
    ] {
        let help = bench.good(&[command, "--help"]);
        assert!(
            help.contains(&format!("Usage: endocast {command}")),
            "{help}"
        );
    }
}

#[test]
fn a_scan_alone_is_extracted() {
    let bench = Bench::new();
    for arguments in [
        &["head.nii", "--model", "threshold.model"][..],
        &["-m", "m.nii", "--model", "threshold.model", "head.nii"],
    ] {
        let arguments = [arguments, &["--qc-exit", "0"]].concat();
        assert_eq!(bench.good(&arguments), "");
    }
    for name in ["head_brain.nii.gz", "head_brain_mask.nii.gz", "m.nii"] {
        assert!(bench.path(name).exists(), "{name}");
    }
    let output = bench.command(&["head.nii", "-m", "n.nii"]);
    let output = { output }.env("ENDOCAST_MODEL", "absent.model").output();
    assert_failed(&output.unwrap(), 2, &["absent.model", "default, tiny"]);
}

#[test]
fn licences_manuals_and_completions_are_printed() {
    let bench = Bench::new();
    let license = bench.good(&["--license"]);
    for words in [
        "MIT",
        "Apache License",
        "model",
        "Lesjak",
        "validation only",
        "foldhash",
    ] {
        assert!(license.contains(words), "{words}");
    }
    for (shell, words) in [
        ("bash", "complete"),
        ("zsh", "#compdef"),
        ("fish", "complete -c"),
    ] {
        let script = bench.good(&["completions", shell]);
        assert!(
            script.contains(words) && script.contains("border"),
            "{shell}"
        );
    }
    let page = bench.good(&["man"]);
    assert!(
        page.contains(".TH endocast 1") && page.contains("extract"),
        "{page}"
    );
    let page = bench.good(&["man", "extract"]);
    assert!(page.contains("skip") && page.contains("fluid"), "{page}");
    let output = bench.command(&["man", "nothing"]).output().unwrap();
    assert_failed(&output, 2, &["nothing"]);
}

#[test]
fn the_boutiques_descriptor_is_whole() {
    let bench = Bench::new();
    let text = bench.good(&["--describe", "boutiques"]);
    let descriptor: serde_json::Value = serde_json::from_str(&text).unwrap();
    let line = descriptor["command-line"].as_str().unwrap();
    let inputs = descriptor["inputs"].as_array().unwrap();
    for input in inputs {
        let key = input["value-key"].as_str().unwrap();
        assert_eq!(line.matches(key).count(), 1, "{key}");
        assert!(input["name"].is_string() && input["type"].is_string());
    }
    let kind = |id: &str| {
        let input = inputs.iter().find(|input| input["id"] == id).unwrap();
        input["type"].as_str().unwrap().to_string()
    };
    let kinds = ["scan", "mask", "border", "no_csf"].map(kind);
    assert_eq!(kinds, ["File", "String", "Number", "Flag"]);
    let codes = descriptor["error-codes"].as_array().unwrap();
    assert!(codes.iter().any(|code| code["code"] == 7));
}

#[test]
fn the_instruction_set_can_be_capped() {
    let bench = Bench::new();
    let explain = |cap: &str, more: &[&str]| {
        let arguments = ["explain", "--model", "threshold.model", "-t", "1"];
        let mut command = bench.command(&[&arguments[..], more].concat());
        let output = command.env("ENDOCAST_CPU", cap).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let scalar = explain("scalar", &[]);
    assert!(scalar.starts_with("instruction sets: scalar\n"), "{scalar}");
    if cfg!(target_arch = "x86_64") {
        let sse2 = explain("sse2", &[]);
        assert!(
            sse2.starts_with("instruction sets: scalar sse2\n"),
            "{sse2}"
        );
        let chosen = |plan: &str, isa: &str| {
            let mut lines = plan.lines().map(str::trim);
            lines.any(|line| line.starts_with("conv") && line.contains(isa))
        };
        assert!(chosen(&sse2, "sse2") && !chosen(&sse2, "avx"), "{sse2}");
        assert!(!chosen(&scalar, "sse2"), "{scalar}");
        // Richer kernels are listed with the reason against them.
        let refusals: Vec<_> = sse2.lines().filter(|line| line.contains(" not ")).collect();
        assert!(
            refusals
                .iter()
                .any(|line| line.contains("avx2") && line.contains(": ")),
            "{sse2}"
        );
        let kernels = explain("sse2", &["--kernels"]);
        for line in kernels.lines().skip(1) {
            let richer = ["ssse3", "avx", "amx"];
            let usable = !richer.iter().any(|isa| line.contains(isa));
            assert_eq!(line.ends_with("not usable"), !usable, "{line}");
        }
    }

    for command in [&["extract", "head.nii"][..], &["explain"], &["selftest"]] {
        let before = bench.files();
        let all = [command, &["--model", "threshold.model"]].concat();
        let output = bench.command(&all).env("ENDOCAST_CPU", "avx3").output();
        assert_failed(&output.unwrap(), 2, &["ENDOCAST_CPU", "avx3", "sse2"]);
        assert_eq!(bench.files(), before);
    }
}

/// A mask file of ones in the box between two corners (exclusive), of [`SPACING`].
fn cuboid(bench: &Bench, name: &str, from: [usize; 3], to: [usize; 3]) {
    let scan = bench.scan("head.nii");
    let mask = ndarray::Array3::from_shape_fn(SHAPE, |(x, y, z)| {
        let at = [x, y, z];
        u8::from((0..3).all(|axis| (from[axis]..to[axis]).contains(&at[axis])))
    });
    scan.write_mask(bench.path(name), &mask).unwrap();
}

#[test]
fn compare_knows_overlap_distance_and_volume() {
    let bench = Bench::new();
    cuboid(&bench, "a.nii", [10, 10, 10], [20, 20, 20]);
    cuboid(&bench, "b.nii", [12, 10, 10], [22, 20, 20]);
    cuboid(&bench, "none.nii", [0; 3], [0; 3]);
    let figures = |mask: &str, reference: &str| -> serde_json::Value {
        let text = bench.good(&["compare", mask, reference, "--json", "-"]);
        serde_json::from_str(&text).unwrap()
    };
    let near = |figures: &serde_json::Value, name: &str, expected: f64| {
        let found = figures[name].as_f64().unwrap();
        assert!((found - expected).abs() < 1e-9, "{name}: {figures}");
    };

    let same = figures("a.nii", "a.nii");
    for name in [
        "hausdorff_mm",
        "hd95_mm",
        "mean_surface_distance_mm",
        "volume_error",
    ] {
        near(&same, name, 0.0);
    }
    for name in ["dice", "sensitivity", "specificity"] {
        near(&same, name, 1.0);
    }

    // Shifted by two voxels of 3 mm: 800 of 1000 voxels in common.
    let shifted = figures("a.nii", "b.nii");
    near(&shifted, "dice", 0.8);
    near(&shifted, "sensitivity", 0.8);
    let outside = (SHAPE.iter().product::<usize>() - 1000) as f64;
    near(&shifted, "specificity", 1.0 - 200.0 / outside);
    near(&shifted, "hausdorff_mm", 6.0);
    near(&shifted, "volume_ml", 22.5);
    near(&shifted, "reference_volume_ml", 22.5);
    near(&shifted, "volume_error", 0.0);

    let empty = figures("none.nii", "a.nii");
    near(&empty, "dice", 0.0);
    assert!(empty["hausdorff_mm"].is_null(), "{empty}");

    let text = bench.good(&["compare", "a.nii", "b.nii"]);
    assert!(
        text.lines()
            .any(|line| line.starts_with("dice") && line.contains("0.8000"))
    );

    bench.write("small.nii", &head([10, 10, 10]).file());
    for (other, words) in [
        ("small.nii", ["small.nii", "same voxel grid"]),
        ("absent.nii", ["absent.nii", "cannot open"]),
    ] {
        let output = bench
            .command(&["compare", "a.nii", other])
            .output()
            .unwrap();
        assert_failed(&output, 3, &words);
    }
}

/// A checkpoint as a safetensors file.
fn safetensors(state: &StateDict) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut data = Vec::new();
    for (name, tensor) in state {
        let start = data.len();
        data.extend(tensor.data.iter().flat_map(|value| value.to_le_bytes()));
        let entry = serde_json::json!({
            "dtype": "F32", "shape": tensor.shape, "data_offsets": [start, data.len()],
        });
        header.insert(name.clone(), entry);
    }
    let header = serde_json::to_vec(&header).unwrap();
    [&(header.len() as u64).to_le_bytes()[..], &header, &data].concat()
}

#[test]
fn a_converted_checkpoint_extracts() {
    let bench = Bench::new();
    let state = synthetic::resunet(2, 1, 2);
    bench.write("net.safetensors", &safetensors(&state));
    let said = bench.good(&[
        "convert",
        "net.safetensors",
        "-o",
        "net.model",
        "--name",
        "mine",
        "--license",
        "MIT",
        "--preprocessing",
        PREPROCESSING,
    ]);
    assert!(
        said.contains("resunet") && said.contains("net.model"),
        "{said}"
    );
    let info = bench.good(&["info", "--model", "net.model"]);
    for words in ["mine", "MIT", PREPROCESSING, "checksum       good"] {
        assert!(info.contains(words), "{info}");
    }
    // The network knows nothing of brains; any voxel will do.
    bench.good(&[
        "extract",
        "--model",
        "net.model",
        "head.nii",
        "-m",
        "m.nii",
        "--prob",
        "p.nii",
        "--threshold",
        "0.01",
        "--qc-exit",
        "0",
    ]);
    assert!(count(&bench.values("m.nii")) > 0);
}

#[test]
fn a_wrong_checkpoint_names_what_is_wrong() {
    let bench = Bench::new();
    let good = synthetic::resunet(2, 1, 1);
    let mut strange = good.clone();
    strange.insert(
        "extra.weight".into(),
        synthetic::tensor("extra.weight", &[3]),
    );
    strange.insert("more.bias".into(), synthetic::tensor("more.bias", &[3]));
    strange.remove("out.conv3.bias");
    bench.write("strange.safetensors", &safetensors(&strange));
    let mut unknown = StateDict::new();
    unknown.insert(
        "layer.weight".into(),
        synthetic::tensor("layer.weight", &[3]),
    );
    bench.write("unknown.safetensors", &safetensors(&unknown));
    bench.write("text.pt", b"This is not a checkpoint.");
    bench.write("good.safetensors", &safetensors(&good));
    let before = bench.files();
    let cases: [(&str, &str, i32, &[&str]); 5] = [
        (
            "strange.safetensors",
            "out.model",
            3,
            &["'extra.weight'", "'more.bias'", "out.conv3.bias"],
        ),
        ("unknown.safetensors", "out.model", 3, &["layer.weight"]),
        ("text.pt", "out.model", 3, &["not a checkpoint"]),
        ("absent.pt", "out.model", 3, &["absent.pt"]),
        ("good.safetensors", "nowhere/out.model", 4, &["nowhere"]),
    ];
    for (checkpoint, output, code, words) in cases {
        let arguments = ["convert", checkpoint, "-o", output];
        let output = bench.command(&arguments).output().unwrap();
        let name: &[&str] = if code == 3 { &[checkpoint] } else { &[] };
        assert_failed(&output, code, &[name, words].concat());
    }
    assert_eq!(bench.files(), before);
}

#[test]
fn models_inside_have_names() {
    let bench = Bench::new();
    let name_of = |arguments: &[&str]| {
        let info = bench.good(&[&["info"], arguments].concat());
        info.lines()
            .next()
            .unwrap()
            .replace("name", "")
            .trim()
            .to_string()
    };
    assert_eq!(name_of(&[]), "endocast");
    assert_eq!(name_of(&["--model", "default"]), "endocast");
    assert_eq!(name_of(&["--model", "tiny"]), "endocast-tiny");
    std::fs::copy(bench.path("threshold.model"), bench.path("tiny")).unwrap();
    assert_eq!(name_of(&["--model", "tiny"]), "endocast-tiny");
    assert_eq!(
        name_of(&["--model", "./tiny"]),
        name_of(&["--model", "threshold.model"])
    );
}

#[test]
fn bench_times_layers_and_every_kernel_on_every_shape() {
    let bench = Bench::new();
    let base = ["bench", "--model", "threshold.model", "--grid", "16"];
    let base = [&base[..], &["--runs", "1", "-t", "2"]].concat();
    let json = |more: &[&str]| -> serde_json::Value {
        let text = bench.good(&[&base, more, &["--json", "-"]].concat());
        serde_json::from_str(&text).unwrap()
    };
    let report = json(&[]);
    assert_eq!(report["grid"], 16);
    let layers = report["layers"].as_array().unwrap();
    let convs: Vec<_> = (layers.iter())
        .filter(|layer| layer["kernel"] != "")
        .collect();
    assert!(!convs.is_empty());
    let peaks = report["peaks"].as_array().unwrap();
    for conv in &convs {
        assert!(conv["seconds"].as_f64().unwrap() > 0.0, "{conv}");
        assert_eq!(
            conv["percent_of_peak"].is_f64(),
            !peaks.is_empty(),
            "{conv}"
        );
    }

    for more in [&["--all"][..], &["--assert", "1e9"]] {
        let report = json(more);
        let shapes = report["shapes"].as_array().unwrap();
        let names = shapes.iter().flat_map(|shape| shape["layers"].as_array());
        assert_eq!(names.map(Vec::len).sum::<usize>(), convs.len());
        for shape in shapes {
            let kernels = shape["kernels"].as_array().unwrap();
            assert_eq!(kernels[0]["kernel"], shape["chosen"]);
            let scalar = |kernel: &serde_json::Value| kernel["kernel"] == "conv_f32__scalar";
            assert!(kernels.iter().any(scalar), "{shape}");
            assert!(shape["percent_slower_than_best"].as_f64().unwrap() >= 0.0);
        }
    }
    let text = bench.good(&[&base[..], &["--all"]].concat());
    assert_eq!(
        text.matches(", chosen").count(),
        text.matches("\nk").count() + 1
    );
    for percent in ["-1", "NaN", "inf", "few"] {
        let arguments = [&base[..], &["--assert", percent]].concat();
        let output = bench.command(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{percent}");
    }
}

#[test]
fn the_self_test_passes() {
    let bench = Bench::new();
    let said = bench.good(&["selftest", "--model", "threshold.model"]);
    assert!(said.contains("scalar: good"), "{said}");
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let bench = Bench::new();
    let mut command = bench.command(&["info", "--model", "threshold.model"]);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.stderr.is_empty(), "{:?}", output.stderr);
    // The child may have written everything before the pipe was closed.
    assert!(matches!(output.status.code(), Some(0 | 4)));
}
