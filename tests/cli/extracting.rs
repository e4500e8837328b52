//! `extract` on one scan: what is written and what is in it.

use std::fs;

use crate::bench::{Bench, SHAPE, assert_failed, count, millilitres};
use crate::common::{BRAIN_MM, Head, head};

#[test]
fn extract_writes_brain_and_mask_beside_the_input() {
    let bench = Bench::new();
    bench.extract(&["head.nii"]);
    let expected = [
        "head.nii",
        "head_brain.nii.gz",
        "head_brain_mask.nii.gz",
        "threshold.model",
    ];
    assert_eq!(bench.files(), expected);

    let mask = bench.values("head_brain_mask.nii.gz");
    assert!(mask.iter().all(|&value| value == 0.0 || value == 1.0));
    let ball = 4.0 / 3.0 * std::f64::consts::PI * BRAIN_MM.powi(3) / 1000.0;
    let found = millilitres(&mask);
    assert!((found / ball - 1.0).abs() < 0.2, "{found} {ball}");

    let brain = bench.values("head_brain.nii.gz");
    let voxels = head(SHAPE).voxels();
    for ((&brain, &mask), &voxel) in brain.iter().zip(&mask).zip(&voxels) {
        assert_eq!(brain, f32::from(voxel) * mask);
    }
}

#[test]
fn names_of_other_forms_give_the_same_stem() {
    let bench = Bench::new();
    fs::rename(bench.path("head.nii"), bench.path("sub-01_T1w.v2.nii")).unwrap();
    bench.extract(&["sub-01_T1w.v2.nii"]);
    assert!(bench.path("sub-01_T1w.v2_brain.nii.gz").exists());
    assert!(bench.path("sub-01_T1w.v2_brain_mask.nii.gz").exists());
    fs::create_dir(bench.path("derived")).unwrap();
    fs::copy(
        bench.path("sub-01_T1w.v2_brain.nii.gz"),
        bench.path("derived/again.NII.GZ"),
    )
    .unwrap();
    bench.extract(&["derived/again.NII.GZ"]);
    assert!(bench.path("derived/again_brain.nii.gz").exists());
    assert!(bench.path("derived/again_brain_mask.nii.gz").exists());
}

#[test]
fn outputs_keep_grid_and_header_of_the_input() {
    let bench = Bench::new();
    bench.extract(&[
        "head.nii", "-o", "b.nii", "-m", "m.nii", "--prob", "p.nii", "--json", "r.json",
    ]);
    let expected = [
        "b.nii",
        "head.nii",
        "m.nii",
        "p.nii",
        "r.json",
        "threshold.model",
    ];
    assert_eq!(bench.files(), expected);

    let input = bench.scan("head.nii");
    for (name, bytes) in [("b.nii", 2), ("m.nii", 1), ("p.nii", 4)] {
        let scan = bench.scan(name);
        assert_eq!(scan.geometry().shape, SHAPE);
        assert_eq!(scan.geometry().affine, input.geometry().affine);
        let voxels: usize = SHAPE.iter().product();
        let len = fs::metadata(bench.path(name)).unwrap().len();
        assert_eq!(len, (352 + voxels * bytes) as u64);
        // Masks and maps differ in what describes the values.
        let values = [68..74, 112..120, 124..132, 328..344];
        for (at, (found, expected)) in scan
            .header()
            .bytes()
            .iter()
            .zip(input.header().bytes())
            .enumerate()
        {
            let may_differ = name != "b.nii" && values.iter().any(|range| range.contains(&at));
            assert!(found == expected || may_differ, "{name}, byte {at}");
        }
    }
    // A ball has no holes and is one piece, so the mask is the map above the threshold.
    let (mask, map) = (bench.values("m.nii"), bench.values("p.nii"));
    for (mask, map) in mask.iter().zip(&map) {
        assert_eq!(*mask != 0.0, *map >= 0.5, "{map}");
    }

    let report: serde_json::Value =
        serde_json::from_slice(&fs::read(bench.path("r.json")).unwrap()).unwrap();
    assert_eq!(report["input"], "head.nii");
    assert_eq!(report["brain"], "b.nii");
    assert_eq!(report["mask"], "m.nii");
    assert_eq!(report["probability"], "p.nii");
    assert_eq!(report["model"], "threshold");
    assert_eq!(report["output"], "brain");
    assert_eq!(report["shape"], serde_json::json!(SHAPE));
    assert_eq!(report["orientation"], "LAS");
    assert_eq!(report["threads"], 2);
    let found = report["brain_ml"].as_f64().unwrap();
    assert!((found - millilitres(&mask)).abs() < 1e-6, "{report}");
    let seconds = |part: &str| report["seconds"][part].as_f64().unwrap();
    let parts = ["read", "load", "pre", "network", "post", "inspect", "write"].map(seconds);
    assert!(parts.iter().all(|&part| part >= 0.0));
    assert!(parts.iter().sum::<f64>() <= seconds("total"), "{report}");
}

#[test]
fn only_what_is_asked_for_is_written() {
    let bench = Bench::new();
    bench.extract(&["head.nii", "--mask", "m.nii.gz"]);
    assert_eq!(bench.files(), ["head.nii", "m.nii.gz", "threshold.model"]);
    bench.extract(&["head.nii", "--brain", "b.hdr"]);
    let expected = ["b.hdr", "b.img", "head.nii", "m.nii.gz", "threshold.model"];
    assert_eq!(bench.files(), expected);
}

#[test]
fn options_change_the_mask() {
    let bench = Bench::new();
    bench.extract(&["head.nii", "-m", "usual.nii"]);
    bench.extract(&["head.nii", "-m", "tissue.nii", "--no-csf"]);
    bench.extract(&["head.nii", "-m", "low.nii", "--threshold", "0.01"]);
    let [usual, tissue, low] =
        ["usual.nii", "tissue.nii", "low.nii"].map(|name| count(&bench.values(name)));
    assert!(0 < tissue && tissue < usual && usual < low);
}

#[test]
fn threads_and_runs_give_the_same_bytes() {
    let bench = Bench::new();
    for (name, threads) in [("1.nii.gz", "1"), ("2.nii.gz", "2"), ("3.nii.gz", "3")] {
        bench.extract(&["head.nii", "-o", name]);
        let model = [
            "extract",
            "--force",
            "--model",
            "threshold.model",
            "head.nii",
            "--qc-exit",
            "0",
        ];
        let probabilities = format!("prob{name}");
        let outputs = ["-o", name, "--prob", &probabilities, "-t", threads];
        bench.good(&[&model[..], &outputs].concat());
    }
    let bytes = |name: &str| fs::read(bench.path(name)).unwrap();
    for prefix in ["", "prob"] {
        let first = bytes(&format!("{prefix}1.nii.gz"));
        assert!(bytes(&format!("{prefix}2.nii.gz")) == first);
        assert!(bytes(&format!("{prefix}3.nii.gz")) == first);
    }
}

#[test]
fn a_volume_of_a_series_can_be_chosen() {
    let bench = Bench::new();
    let series = Head {
        volumes: vec![0.5, 1.0, 1.5],
        ..head(SHAPE)
    };
    bench.write("series.nii", &series.file());
    let voxels: usize = SHAPE.iter().product();
    let all = series.voxels();
    for (choice, number) in [("0", 0), ("1", 1), ("2", 2)] {
        bench.extract(&[
            "series.nii",
            "-o",
            "b.nii",
            "-m",
            "m.nii",
            "--volume",
            choice,
        ]);
        let chosen = &all[number * voxels..][..voxels];
        let (brain, mask) = (bench.values("b.nii"), bench.values("m.nii"));
        assert!(count(&mask) > 0);
        for ((&brain, &mask), &voxel) in brain.iter().zip(&mask).zip(chosen) {
            assert_eq!(brain, f32::from(voxel) * mask);
        }
    }
    bench.extract(&[
        "series.nii",
        "-o",
        "b.nii",
        "-m",
        "m.nii",
        "--volume",
        "mean",
    ]);
    let (brain, mask) = (bench.values("b.nii"), bench.values("m.nii"));
    for (index, (&brain, &mask)) in brain.iter().zip(&mask).enumerate() {
        let sum: f64 = [0, 1, 2]
            .map(|number| f64::from(all[number * voxels + index]))
            .iter()
            .sum();
        assert!((f64::from(brain) - sum / 3.0 * f64::from(mask)).abs() < 1e-3);
    }

    // Without a choice the first is taken, and that is said.
    let arguments = ["extract", "--model", "threshold.model", "series.nii"];
    let output = bench.command(&arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(10));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("series.nii") && said.contains("first of 3 volumes"),
        "{said}"
    );
    bench.refused(
        &["series.nii", "-m", "new.nii", "--volume", "3"],
        3,
        &["series.nii", "no volume 3"],
    );
}

/// Also through a name without a folder.
#[test]
fn outputs_replace_older_files_by_force_only() {
    let bench = Bench::new();
    bench.write("m.nii", b"old");
    bench.refused(
        &["head.nii", "-m", "m.nii"],
        4,
        &["m.nii", "exists", "--force"],
    );
    let model = ["extract", "--model", "threshold.model"];
    bench.good(&[&model[..], &["head.nii", "-m", "m.nii", "--skip-existing"]].concat());
    assert_eq!(fs::read(bench.path("m.nii")).unwrap(), b"old");
    bench.extract(&["head.nii", "-m", "m.nii"]);
    assert!(count(&bench.values("m.nii")) > 0);
    assert!(!bench.files().iter().any(|name| name.starts_with('.')));
}

/// The phantom's brain holds 140 mL.
#[test]
fn a_mask_that_looks_wrong_is_written_and_told() {
    let bench = Bench::new();
    let arguments = [
        "extract",
        "--model",
        "threshold.model",
        "head.nii",
        "--force",
    ];
    let outputs = ["-m", "m.nii", "--json", "report.json"];
    let command = |more: &[&str]| {
        let all = [&arguments[..], &outputs, more].concat();
        bench.command(&all).output().unwrap()
    };
    assert_failed(
        &command(&[]),
        10,
        &["head.nii", "the mask looks wrong", "volume_ml"],
    );
    assert!(count(&bench.values("m.nii")) > 0);
    let report = fs::read_to_string(bench.path("report.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["qc"]["score"], 0.0);
    assert_eq!(report["qc"]["measures"]["volume_ml"], report["brain_ml"]);
    assert!(!report["qc"]["warnings"].as_array().unwrap().is_empty());

    let told = command(&["--qc-exit", "0"]);
    assert_eq!(told.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&told.stderr).contains("the mask looks wrong"));
    let quiet = command(&["--qc-exit", "0", "--quiet"]);
    assert_eq!(quiet.status.code(), Some(0));
    assert!(quiet.stderr.is_empty());
}

#[test]
fn an_estimate_is_an_upper_bound_that_suffices() {
    let bench = Bench::new();
    bench.write("large.nii", &head([180, 200, 160]).file());
    let peak = |name: &str| -> Option<f64> {
        let text = fs::read(bench.path(name)).unwrap();
        let sidecar: serde_json::Value = serde_json::from_slice(&text).unwrap();
        sidecar["PeakMemoryBytes"].as_f64()
    };
    let base = ["extract", "large.nii", "--model", "tiny", "-t", "2"];
    let more: [&[&str]; 2] = [&[], &["--prob", "p.nii", "--border", "1"]];
    for (more, name) in more.into_iter().zip(["plain", "rich"]) {
        let [mask, sidecar] = ["nii", "json"].map(|suffix| format!("{name}.{suffix}"));
        let base = [&base[..], more, &["-m", &mask]].concat();
        let before = bench.files();
        let line = bench.good(&[&base[..], &["--estimate"]].concat());
        assert_eq!(bench.files(), before);
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[..3], ["large.nii:", "at", "most"], "{line}");
        assert!(words[5].parse::<f64>().unwrap() > 0.0, "{line}");
        let run = ["--max-ram", words[3], "--sidecar", "--qc-exit", "0"];
        bench.good(&[&base[..], &run].concat());
        let Some(peak) = peak(&sidecar) else {
            eprintln!("SKIPPED: this system does not tell the peak of a process's memory");
            return;
        };
        let bound = words[3].parse::<f64>().unwrap() * 1e6;
        assert!(peak <= bound, "{name}: {peak} instead of {bound}");
        assert!(peak > bound / 2.0, "{name}: {peak} is far from {bound}");
    }
}
