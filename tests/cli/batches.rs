//! Many scans at once.

use std::fs;

use crate::bench::{Bench, SHAPE, assert_failed};
use crate::common::head;

/// A bench with scans `a.nii` to `d.nii`, of which `c.nii` is broken, and a list of them.
fn bench() -> Bench {
    let bench = Bench::new();
    for name in ["a.nii", "b.nii", "d.nii"] {
        bench.write(name, &head(SHAPE).file());
    }
    bench.write("c.nii", b"This is not a scan.");
    bench.write(
        "scans.txt",
        b"# all of them\na.nii\n\nb.nii\r\nc.nii\nd.nii\n",
    );
    bench
}

/// The phantoms' brains are too small to pass the quality check.
const MODEL: [&str; 5] = ["extract", "--model", "threshold.model", "--qc-exit", "0"];

#[test]
fn one_failure_does_not_stop_the_others() {
    let bench = bench();
    let arguments = [
        "--list",
        "scans.txt",
        "-m",
        "{dir}/{stem}_m.nii",
        "--json",
        "-",
    ];
    let output = bench
        .command(&[&MODEL[..], &arguments].concat())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(12), "{output:?}");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("c.nii: not a NIfTI file"), "{errors}");
    assert!(errors.contains("1 of 4 scans failed"), "{errors}");
    assert_eq!(
        errors.matches("the mask looks wrong").count(),
        3,
        "{errors}"
    );
    assert_eq!(errors.lines().count(), 2 + 3, "{errors}");
    let reports = String::from_utf8(output.stdout).unwrap();
    let inputs: Vec<_> = reports
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["input"].clone())
        .collect();
    assert_eq!(inputs, ["a.nii", "b.nii", "d.nii"]);
    for name in ["a_m.nii", "b_m.nii", "d_m.nii"] {
        assert!(bench.path(name).exists(), "{name}");
    }
    assert!(!bench.path("c_m.nii").exists());
}

#[test]
fn streams_write_the_same_files() {
    let bench = bench();
    let run = |folder: &str, streams: &str| {
        let arguments = ["--list", "scans.txt", "--out-dir", folder, "--json", "-"];
        let side_by_side = ["--threads", "3", "--streams", streams];
        let arguments = [&MODEL[..], &arguments, &side_by_side].concat();
        let output = bench.command(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(12), "{output:?}");
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.contains("1 of 4 scans failed"), "{errors}");
        let reports = String::from_utf8(output.stdout).unwrap();
        let report = |line| serde_json::from_str::<serde_json::Value>(line).unwrap();
        let mut reports: Vec<_> = reports.lines().map(report).collect();
        reports.sort_by_key(|report| report["input"].to_string());
        assert_eq!(reports.len(), 3);
        let files = bench.files_of(folder).into_iter();
        let files = files.map(|name| (fs::read(bench.path(folder).join(&name)).unwrap(), name));
        (files.collect::<Vec<_>>(), reports)
    };
    let (expected, reports) = run("one", "1");
    assert!(reports.iter().all(|report| report["threads"] == 3.0));
    for (streams, threads) in [("2", 1.0), ("3", 1.0), ("100", 1.0)] {
        let (files, reports) = run(streams, streams);
        assert!(files == expected, "{streams} streams");
        assert!(reports.iter().all(|report| report["threads"] == threads));
    }
}

/// A model that cannot be used is told once, however many scans are worked on side by side.
#[test]
fn streams_stop_at_what_concerns_all() {
    let bench = bench();
    bench.write("damaged.model", b"no model");
    let arguments = ["--model", "damaged.model", "--out-dir", "masks", "-t", "2"];
    let scans = ["extract", "a.nii", "b.nii", "d.nii", "--streams", "2"];
    let output = bench.command(&[&scans[..], &arguments].concat()).output();
    assert_failed(&output.unwrap(), 6, &["damaged.model"]);
    assert!(!bench.path("masks").join("a_brain_mask.nii.gz").exists());
}

#[test]
fn what_is_done_is_skipped() {
    let bench = bench();
    bench.extract(&["a.nii", "b.nii", "--out-dir", "new/folder"]);
    let names = |folder: &str| bench.files_of(folder);
    let expected = [
        "a_brain.nii.gz",
        "a_brain_mask.nii.gz",
        "b_brain.nii.gz",
        "b_brain_mask.nii.gz",
    ];
    assert_eq!(names("new/folder"), expected);

    // Of `a` all is there, of `b` a part; `d` is new.
    fs::write(bench.path("new/folder/a_brain.nii.gz"), b"old").unwrap();
    fs::remove_file(bench.path("new/folder/b_brain.nii.gz")).unwrap();
    fs::write(bench.path("new/folder/b_brain_mask.nii.gz"), b"old").unwrap();
    let scans = ["a.nii", "b.nii", "d.nii", "--out-dir", "new/folder"];
    let plain = [&MODEL[..], &scans].concat();
    assert_failed(
        &bench.command(&plain).output().unwrap(),
        4,
        &["a_brain.nii.gz", "exists"],
    );

    let plan = bench.good(&[&plain[..], &["--skip-existing", "--dry-run"]].concat());
    let actions: Vec<_> = plan.lines().filter(|line| !line.starts_with(' ')).collect();
    assert_eq!(actions, ["skip a.nii", "extract b.nii", "extract d.nii"]);
    assert!(!bench.path("new/folder/d_brain.nii.gz").exists());

    let output = bench
        .command(&[&plain[..], &["--skip-existing"]].concat())
        .output();
    let errors = String::from_utf8(output.unwrap().stderr).unwrap();
    assert!(errors.contains("1 of 3 scans were left alone"), "{errors}");
    let old = |name: &str| fs::read(bench.path("new/folder").join(name)).unwrap() == b"old";
    assert!(old("a_brain.nii.gz") && !old("b_brain_mask.nii.gz"));
    assert_eq!(names("new/folder").len(), 6);
}

#[test]
fn shards_do_their_part_each() {
    let bench = bench();
    let base = [&MODEL[..], &["a.nii", "b.nii", "d.nii", "--dry-run"]].concat();
    let inputs = |shard: &str| -> Vec<String> {
        let plan = bench.good(&[&base[..], &["--shard", shard]].concat());
        let lines = plan
            .lines()
            .filter_map(|line| line.strip_prefix("extract "));
        lines.map(String::from).collect()
    };
    assert_eq!(inputs("1/2"), ["a.nii", "d.nii"]);
    assert_eq!(inputs("2/2"), ["b.nii"]);
    assert!(inputs("4/5").is_empty());
}

/// Each shard would write its own, and the last one would stay.
#[test]
fn outputs_that_collide_between_shards_are_refused() {
    let bench = bench();
    fs::create_dir(bench.path("other")).unwrap();
    bench.write("other/a.nii", &head(SHAPE).file());
    for shard in ["1/2", "2/2"] {
        let scans = ["a.nii", "other/a.nii", "--out-dir", "masks"];
        let arguments = [&scans[..], &["--shard", shard, "--skip-existing"]].concat();
        bench.refused(&arguments, 2, &["a_brain.nii.gz", "other/a.nii"]);
    }
    let folders = ["a.nii", "other/a.nii", "--out-dir", "masks/{dir}"];
    let plan = bench.good(&[&MODEL[..], &folders, &["--dry-run"]].concat());
    assert!(plan.contains("masks/other/a_brain.nii.gz"), "{plan}");
}

/// The half of a pair that is not named counts like the one that is.
#[test]
fn other_halves_of_pairs_are_inputs_and_outputs_too() {
    let bench = bench();
    bench.extract(&["a.nii", "-m", "pair.hdr"]);
    let files = bench.files();
    assert!(files.contains(&"pair.img".into()));
    bench.refused(
        &["pair.hdr", "-m", "pair.img", "--force"],
        2,
        &["pair.", "input"],
    );
    bench.refused(
        &["a.nii", "-m", "b.hdr", "-o", "b.img"],
        2,
        &["two outputs"],
    );
    bench.refused(
        &["a.nii", "-m", "./c.hdr", "-o", "c.img"],
        2,
        &["both a.nii"],
    );
    fs::remove_file(bench.path("pair.hdr")).unwrap();
    bench.refused(&["a.nii", "-m", "pair.hdr"], 4, &["pair.img", "exists"]);
    let again = [&MODEL[..], &["a.nii", "-m", "pair.img", "--skip-existing"]].concat();
    bench.good(&again);
    assert_eq!(bench.files(), files);
}

#[cfg(unix)]
#[test]
fn a_link_to_nowhere_is_not_replaced() {
    let bench = bench();
    std::os::unix::fs::symlink("nowhere", bench.path("m.nii")).unwrap();
    bench.refused(&["a.nii", "-m", "m.nii"], 4, &["m.nii", "exists"]);
}

#[test]
fn outputs_that_would_collide_are_refused() {
    let bench = bench();
    bench.refused(&["a.nii", "b.nii", "-m", "m.nii"], 2, &["m.nii", "{stem}"]);
    bench.refused(
        &["a.nii", "-m", "m.nii", "-o", "m.nii"],
        2,
        &["m.nii", "two outputs"],
    );
    bench.refused(
        &["a.nii", "b.nii", "-m", "./{stem}.nii", "--force"],
        2,
        &["a.nii", "input"],
    );
    bench.refused(&["--list", "absent.txt"], 3, &["absent.txt", "cannot read"]);
    bench.write("blank.txt", b"\n# nothing\n");
    bench.refused(&["--list", "blank.txt"], 2, &["blank.txt", "empty"]);
}

/// The example for SLURM, as its two tasks would run it.
#[cfg(unix)]
#[test]
fn the_slurm_example_shares_out_a_list() {
    let bench = bench();
    bench.write("good.txt", b"a.nii\nb.nii\nd.nii\n");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/slurm/extract.sbatch");
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_endocast"));
    let path = format!("{}:/usr/bin:/bin", program.parent().unwrap().display());
    let masks = || {
        bench
            .files_of("masks")
            .iter()
            .filter(|name| name.ends_with("_mask.nii.gz"))
            .count()
    };
    // The phantoms' brains are too small to pass the quality check.
    for (task, expected, code) in [("1", 2, 10), ("2", 3, 10), ("2", 3, 0)] {
        let mut command = std::process::Command::new("bash");
        command
            .args([script, "good.txt", "masks"])
            .current_dir(bench.path(""));
        command
            .env("PATH", &path)
            .env("ENDOCAST_MODEL", bench.path("threshold.model"));
        command
            .env("SLURM_ARRAY_TASK_ID", task)
            .env("SLURM_ARRAY_TASK_COUNT", "2");
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert_eq!(masks(), expected);
    }
}
