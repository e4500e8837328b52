//! Other tools' command lines.

use std::fs;
use std::process::Output;

use crate::bench::{Bench, SHAPE, assert_failed, count, millilitres};
use crate::common::{Head, SPACING, head};

/// Runs `--as TOOL` with the threshold model.
fn run(bench: &Bench, words: &[&str]) -> Output {
    let mut command = bench.command(&[&["--as"], words].concat());
    command.env("ENDOCAST_MODEL", bench.path("threshold.model"));
    command.output().unwrap()
}

/// Runs it, expects success and returns what it said on standard error, but for the quality check, which
/// the phantoms' small brains do not pass.
fn good(bench: &Bench, words: &[&str]) -> String {
    let output = run(bench, words);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{words:?}: {errors}");
    let lines = errors
        .lines()
        .filter(|line| !line.contains("the mask looks wrong"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// The bench's files beyond the scan and the model.
fn new(bench: &Bench) -> Vec<String> {
    let mut files = bench.files();
    files.retain(|name| name != "head.nii" && name != "threshold.model");
    files
}

#[test]
fn bet_names_its_files() {
    let bench = Bench::new();
    assert_eq!(good(&bench, &["bet", "head"]), "");
    assert_eq!(new(&bench), ["head_brain.nii.gz"]);
    good(&bench, &["bet", "head.nii", "out.nii.gz", "-m", "-n"]);
    assert_eq!(new(&bench), ["head_brain.nii.gz", "out_mask.nii.gz"]);
    let said = good(
        &bench,
        &[
            "bet2", "head", "out", "-m", "-f", "0.3", "-c", "1", "2", "3", "-R",
        ],
    );
    for flag in ["-f", "-c", "-R"] {
        assert!(said.contains(&format!("{flag} is ignored")), "{said}");
    }
    assert!(bench.path("out.nii.gz").exists());
    let mut command = bench.command(&["--as", "bet", "head", "pair", "-m"]);
    command.env("FSLOUTPUTTYPE", "NIFTI_PAIR");
    command.env("ENDOCAST_MODEL", bench.path("threshold.model"));
    assert!(command.status().unwrap().success());
    for name in ["pair.hdr", "pair.img", "pair_mask.hdr", "pair_mask.img"] {
        assert!(bench.path(name).exists(), "{name}");
    }
    let before = bench.files();
    for (words, cause) in [
        (&["bet", "head", "-o"][..], "-o asks for an output"),
        (&["bet", "head", "-A2", "t2"], "-A2"),
        (&["bet", "head", "--ct"], "CT"),
        (&["bet", "head", "-n"], "nothing to write"),
        (&["bet", "head", "-f", "high"], "not a number"),
        (&["bet", "head", "-q"], "unknown option -q"),
        (&["bet"], "an input"),
    ] {
        assert_failed(&run(&bench, words), 2, &["bet", cause]);
    }
    assert_failed(&run(&bench, &["bet", "absent"]), 3, &["absent"]);
    assert_eq!(bench.files(), before);
}

#[test]
fn bet_masks_a_whole_series() {
    let bench = Bench::new();
    let series = Head {
        volumes: vec![1.0, 0.8],
        ..head(SHAPE)
    };
    bench.write("fmri.nii", &series.file());
    good(&bench, &["bet", "fmri", "out", "-F", "-m"]);
    assert_eq!(bench.scan("out.nii.gz").volumes(), 2);
    assert_eq!(bench.scan("out_mask.nii.gz").volumes(), 1);
}

#[test]
fn hd_bet_takes_files_and_folders() {
    let bench = Bench::new();
    good(
        &bench,
        &[
            "hd-bet",
            "-i",
            "head.nii",
            "-o",
            "b.nii.gz",
            "--save_bet_mask",
        ],
    );
    assert_eq!(new(&bench), ["b.nii.gz", "b_bet.nii.gz"]);
    fs::create_dir(bench.path("in")).unwrap();
    for name in ["x.nii.gz", "y.nii.gz"] {
        fs::copy(bench.path("b.nii.gz"), bench.path("in").join(name)).unwrap();
    }
    let words = [
        "hd-bet", "-i", "in", "-o", "out", "-device", "cuda", "-s", "1", "-tta", "0",
    ];
    let said = good(&bench, &words);
    assert!(
        said.contains("-device is ignored") && said.contains("-tta"),
        "{said}"
    );
    for name in ["x.nii.gz", "x_mask.nii.gz", "y.nii.gz", "y_mask.nii.gz"] {
        assert!(bench.path("out").join(name).exists(), "{name}");
    }
    good(
        &bench,
        &["hd-bet", "-i", "head.nii", "-o", "one", "-tta", "0"],
    );
    good(
        &bench,
        &[
            "hd-bet",
            "-i",
            "head.nii",
            "-o",
            "two",
            "-pp",
            "1",
            "--save_mask",
            "0",
        ],
    );
    let files = new(&bench);
    assert_eq!(
        files[2..],
        ["in", "one.nii.gz", "one_mask.nii.gz", "out", "two.nii.gz"]
    );
    for (words, cause) in [
        (
            &["hd-bet", "-i", "head.nii", "-o", "b.nii"][..],
            "end in .nii.gz",
        ),
        (&["hd-bet", "-i", "in"], "folder"),
        (&["hd-bet", "-o", "b.nii.gz"], "-i is needed"),
        (
            &["hd-bet", "-i", "head.nii", "--no_bet_image"],
            "nothing to write",
        ),
    ] {
        assert_failed(&run(&bench, words), 2, &["hd-bet", cause]);
    }
}

#[test]
fn synthstrip_has_its_border_and_fill() {
    let bench = Bench::new();
    bench.extract(&["head.nii", "-m", "plain.nii", "-b", "1"]);
    good(
        &bench,
        &[
            "mri_synthstrip",
            "-i",
            "head.nii",
            "-m",
            "m.nii",
            "-d",
            "d.nii",
            "--out=b.nii",
        ],
    );
    assert_eq!(bench.values("m.nii"), bench.values("plain.nii"));
    assert!(
        bench
            .values("d.nii")
            .iter()
            .any(|&distance| distance < -5.0)
    );
    let words = [
        "mri_synthstrip",
        "-i",
        "head.nii",
        "-o",
        "f.nii",
        "-f",
        "-9",
        "-b",
        "0",
        "-g",
    ];
    assert!(good(&bench, &words).contains("-g is ignored"));
    assert!(bench.values("f.nii").contains(&-9.0));
    for (words, cause) in [
        (
            &["mri_synthstrip", "-i", "head.nii"][..],
            "one of -o, -m and -d",
        ),
        (
            &[
                "mri_synthstrip",
                "-i",
                "head.nii",
                "-m",
                "x.nii",
                "--model",
                "w.pt",
            ],
            "weights",
        ),
        (&["mri_synthstrip", "-m", "x.nii"], "-i is needed"),
    ] {
        assert_failed(&run(&bench, words), 2, &[cause]);
    }
    let refused = run(&bench, &["mri_synthstrip", "-i", "head.nii", "-m", "m.mgz"]);
    assert_failed(&refused, 4, &["m.mgz"]);
}

/// The original's `-o` is the mask and its `-m` the brain.
#[test]
fn brainmage_has_its_odd_pair() {
    let bench = Bench::new();
    let words = [
        "-i",
        "head.nii",
        "-o",
        "mask.nii.gz",
        "-m",
        "brain.nii.gz",
        "-dev",
        "0",
    ];
    let said = good(&bench, &[&["brain_mage_single_run"], &words[..]].concat());
    assert!(said.contains("-dev is ignored"), "{said}");
    let mask = bench.values("mask.nii.gz");
    assert!(mask.iter().all(|&value| value == 0.0 || value == 1.0));
    assert!(count(&mask) > 0 && millilitres(&mask) > SPACING.iter().sum::<f32>().into());
    assert!(
        bench
            .values("brain.nii.gz")
            .iter()
            .any(|&value| value > 1.0)
    );
    let wrong = run(&bench, &["brain_mage_single_run", "-i", "head.nii"]);
    assert_failed(&wrong, 2, &["-o, the mask, is needed"]);
}

#[test]
fn help_and_version_end_well() {
    let bench = Bench::new();
    for tool in [
        "bet",
        "bet2",
        "hd-bet",
        "mri_synthstrip",
        "brain_mage_single_run",
    ] {
        let output = run(&bench, &[tool, "-h"]);
        assert!(output.status.success(), "{tool}");
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("endocast"),
            "{tool}"
        );
    }
    let output = run(&bench, &["mri_synthstrip", "--version"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains(env!("CARGO_PKG_VERSION")));
    assert_failed(&run(&bench, &["robex"]), 2, &["robex", "hd-bet"]);
}

#[cfg(unix)]
#[test]
fn a_link_of_the_name_is_enough() {
    let bench = Bench::new();
    let link = bench.path("bet");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_endocast"), &link).unwrap();
    let mut command = std::process::Command::new(&link);
    command
        .args(["head", "out", "-m"])
        .current_dir(bench.path(""));
    command.env("ENDOCAST_MODEL", bench.path("threshold.model"));
    assert!(command.status().unwrap().success());
    assert_eq!(new(&bench), ["bet", "out.nii.gz", "out_mask.nii.gz"]);
}
