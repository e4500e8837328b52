//! A BIDS dataset from images to the contact sheet.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::bench::{Bench, SHAPE, assert_failed};
use crate::common::head;

/// A bench with a dataset of two participants, one of them with sessions.
fn bench() -> Bench {
    let bench = Bench::new();
    let mut files = vec![];
    for (folder, names) in [
        ("raw/sub-01/anat", &["sub-01_T1w", "sub-01_T2w"][..]),
        ("raw/sub-02/ses-a/anat", &["sub-02_ses-a_T1w"]),
        (
            "raw/sub-02/ses-b/anat",
            &["sub-02_ses-b_run-1_T1w", "sub-02_ses-b_run-2_T1w"],
        ),
    ] {
        fs::create_dir_all(bench.path(folder)).unwrap();
        files.extend(names.iter().map(|name| format!("{folder}/{name}")));
    }
    for name in files {
        bench.write(&format!("{name}.nii"), &head(SHAPE).file());
        bench.write(&format!("{name}.json"), b"{}");
    }
    let description = br#"{"Name": "phantoms", "BIDSVersion": "1.9.0"}"#;
    bench.write("raw/dataset_description.json", description);
    bench
}

fn run(bench: &Bench, words: &[&str]) -> Output {
    let mut command =
        bench.command(&[&["bids", "raw", "raw/derivatives/endocast"], words].concat());
    if words[0] == "participant" {
        // The phantoms' brains are too small to pass the quality check.
        command.args(["--qc-exit", "0"]);
    }
    command.env("ENDOCAST_MODEL", bench.path("threshold.model"));
    command.output().unwrap()
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Raw images have no description; what is derived from them is no input.
#[test]
fn a_dataset_is_only_read() {
    let bench = bench();
    let mut command = bench.command(&["bids", "raw", "raw/../raw", "participant"]);
    assert_failed(&command.output().unwrap(), 2, &["the dataset itself"]);
    let derived = "raw/sub-01/anat/sub-01_desc-denoised_T1w.nii";
    bench.write(derived, &head(SHAPE).file());
    let plan = run(&bench, &["participant", "--dry-run"]);
    let plan = String::from_utf8(plan.stdout).unwrap();
    assert_eq!(plan.matches("extract ").count(), 5, "{plan}");
}

#[test]
fn a_dataset_gets_its_derivatives() {
    let bench = bench();
    let output = run(&bench, &["participant"]);
    assert!(output.status.success(), "{output:?}");
    let derived = bench.path("raw/derivatives/endocast");
    for name in [
        "sub-01/anat/sub-01_desc-brain_mask.nii.gz",
        "sub-01/anat/sub-01_desc-brain_mask.json",
        "sub-01/anat/sub-01_desc-brain_T1w.nii.gz",
        "sub-01/anat/sub-01_desc-brain_T1w.json",
        "sub-01/anat/sub-01_space-T2w_desc-brain_mask.nii.gz",
        "sub-01/anat/sub-01_desc-brain_T2w.nii.gz",
        "sub-01/figures/sub-01_desc-brain_mask.png",
        "sub-02/ses-a/anat/sub-02_ses-a_desc-brain_mask.nii.gz",
        "sub-02/ses-b/anat/sub-02_ses-b_run-2_desc-brain_mask.nii.gz",
    ] {
        assert!(derived.join(name).is_file(), "{name}");
    }
    let description = json(&derived.join("dataset_description.json"));
    assert_eq!(description["DatasetType"], "derivative");
    assert_eq!(description["GeneratedBy"][0]["Name"], "endocast");
    assert_eq!(description["DatasetLinks"]["raw"], "../..");
    let sidecar = json(&derived.join("sub-02/ses-a/anat/sub-02_ses-a_desc-brain_mask.json"));
    let source = "bids:raw:sub-02/ses-a/anat/sub-02_ses-a_T1w.nii";
    assert_eq!(sidecar["Type"], "Brain");
    assert_eq!(sidecar["Sources"], serde_json::json!([source]));
    assert_eq!(sidecar["SpatialReference"], source);
    let brain = json(&derived.join("sub-01/anat/sub-01_desc-brain_T1w.json"));
    assert_eq!(brain["SkullStripped"], true);

    // A second run does what is missing and nothing else.
    let mask = derived.join("sub-01/anat/sub-01_desc-brain_mask.nii.gz");
    let other = derived.join("sub-02/ses-a/anat/sub-02_ses-a_desc-brain_mask.nii.gz");
    fs::remove_file(&mask).unwrap();
    fs::write(&other, b"kept").unwrap();
    assert!(run(&bench, &["participant"]).status.success());
    assert!(mask.is_file());
    assert_eq!(fs::read(&other).unwrap(), b"kept");
    assert!(
        run(
            &bench,
            &["participant", "--force", "--participant-label", "02"]
        )
        .status
        .success()
    );
    assert_ne!(fs::read(&other).unwrap(), b"kept");

    // The group level counts what is there and what is not.
    fs::remove_file(&other).unwrap();
    assert!(run(&bench, &["group"]).status.success());
    let table = fs::read_to_string(derived.join("group_brain.tsv")).unwrap();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split('\t').collect())
        .collect();
    assert_eq!(rows.len(), 6);
    assert!(rows.iter().all(|row| row.len() == rows[0].len()));
    for row in &rows[1..] {
        let missing = row[2].ends_with("sub-02_ses-a_T1w.nii");
        let volume = row[3].parse::<f64>();
        assert_eq!(volume.is_err(), missing, "{row:?}");
        assert!(volume.is_ok_and(|volume| (100.0..150.0).contains(&volume)) || missing);
        // A brain of 125 mL looks wrong.
        assert_eq!(
            row[4].parse::<f64>().is_ok_and(|score| score < 0.5),
            !missing
        );
        assert_eq!(
            row[5].contains("too small for a brain"),
            !missing,
            "{row:?}"
        );
    }
    let page = fs::read_to_string(derived.join("group_brain.html")).unwrap();
    assert_eq!(page.matches("<img").count(), 5);
    let first = page.find("<figcaption>").unwrap();
    assert!(
        page[first..].starts_with("<figcaption>sub-02/ses-a/"),
        "{page}"
    );
}

#[test]
fn a_part_of_a_dataset_can_be_chosen() {
    let bench = bench();
    let plan = |words: &[&str]| {
        let output = run(&bench, &[&["participant", "--dry-run"], words].concat());
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().filter(|line| !line.starts_with(' ')).count()
    };
    assert_eq!(plan(&[]), 5);
    assert_eq!(plan(&["--participant_label", "02"]), 3);
    assert_eq!(
        plan(&["--participant-label", "sub-01", "02", "--suffix", "T1w"]),
        4
    );
    assert_eq!(plan(&["--session-label", "b"]), 2);
    assert!(!bench.path("raw/derivatives").exists());
}

#[test]
fn what_is_no_dataset_is_refused() {
    let bench = bench();
    assert_failed(
        &run(&bench, &["participant", "--participant-label", "9"]),
        3,
        &["sub-9"],
    );
    assert_failed(
        &run(&bench, &["participant", "--suffix", "PDw"]),
        3,
        &["PDw"],
    );
    assert_failed(&run(&bench, &["group"]), 3, &["participant level first"]);
    assert_failed(&run(&bench, &["analysis"]), 2, &["analysis"]);
    fs::remove_file(bench.path("raw/dataset_description.json")).unwrap();
    assert_failed(
        &run(&bench, &["participant"]),
        3,
        &["raw", "dataset_description.json"],
    );
}
