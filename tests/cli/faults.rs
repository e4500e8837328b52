//! What a system does to a run: the exit code tells, and no output is there unless it is whole.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::bench::{Bench, assert_failed};
use crate::common::head;

const OUTPUTS: [&str; 2] = ["head_brain.nii.gz", "head_brain_mask.nii.gz"];
const EXTRACT: [&str; 8] = [
    "extract",
    "head.nii",
    "--force",
    "--qc-exit",
    "0",
    "--model",
    "threshold.model",
    "-t2",
];

/// A folder with a scan that takes a while, and the outputs that it should give.
struct Disturbed {
    bench: Bench,
    expected: [Vec<u8>; 2],
    /// How long an undisturbed run takes.
    time: Duration,
}

impl Disturbed {
    fn new() -> Disturbed {
        let bench = Bench::new();
        bench.write("head.nii", &head([96, 100, 90]).file());
        let start = Instant::now();
        bench.good(&EXTRACT);
        let time = start.elapsed();
        let expected = OUTPUTS.map(|name| fs::read(bench.path(name)).unwrap());
        let disturbed = Disturbed {
            bench,
            expected,
            time,
        };
        disturbed.clean();
        disturbed
    }

    /// Removes outputs and temporaries.
    fn clean(&self) {
        for name in self.bench.files() {
            if OUTPUTS.contains(&name.as_str()) || name.ends_with(".tmp") {
                fs::remove_file(self.bench.path(&name)).unwrap();
            }
        }
    }

    fn start(&self) -> Child {
        let mut command = self.bench.command(&EXTRACT);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Runs the command after the commands `before` in a shell of its own.
    fn shell(&self, before: &str) -> Output {
        shell(&self.bench, before, &EXTRACT)
    }

    /// Every output that is there is whole; returns whether all are.
    fn assert_whole(&self) -> bool {
        let there = OUTPUTS
            .iter()
            .zip(&self.expected)
            .filter(|(name, expected)| {
                let found = fs::read(self.bench.path(name)).ok();
                assert!(
                    found.as_ref().is_none_or(|found| found == *expected),
                    "{name}"
                );
                found.is_some()
            });
        there.count() == OUTPUTS.len()
    }

    fn temporaries(&self) -> usize {
        let files = self.bench.files();
        files.iter().filter(|name| name.ends_with(".tmp")).count()
    }
}

fn shell(bench: &Bench, before: &str, arguments: &[&str]) -> Output {
    let command = bench.command(arguments);
    let line = format!("{before}; exec \"$0\" \"$@\"");
    Command::new("sh")
        .args(["-c", &line])
        .arg(command.get_program())
        .args(arguments)
        .current_dir(bench.path(""))
        .env_remove("ENDOCAST_CPU")
        .env_remove("ENDOCAST_MODEL")
        .output()
        .unwrap()
}

fn assert_no_panic(output: &Output) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!errors.contains("panicked"), "{errors}");
}

#[test]
fn a_killed_run_leaves_whole_outputs_or_none() {
    let disturbed = Disturbed::new();
    for signal in ["TERM", "KILL"] {
        let mut killed = 0;
        for step in 0..12 {
            let mut child = disturbed.start();
            std::thread::sleep(disturbed.time * step / 10);
            let id = child.id().to_string();
            let _ = Command::new("kill")
                .args([&format!("-{signal}"), &id])
                .stderr(Stdio::null())
                .status();
            let status = child.wait().unwrap();
            let whole = disturbed.assert_whole();
            match status.signal() {
                Some(_) => killed += 1,
                None => assert!(status.success() && whole, "{status}"),
            }
            // A run that is killed cannot tidy up; what it leaves hinders no later one.
            if step == 11 {
                disturbed.bench.good(&EXTRACT);
                assert!(disturbed.assert_whole());
            }
            disturbed.clean();
        }
        assert!(killed > 0, "no run was slow enough for SIG{signal}");
    }
}

#[test]
fn a_full_device_gives_4() {
    let bench = Bench::new();
    for stream in ["--mask", "--brain", "--json"] {
        let arguments = [&EXTRACT[..], &[stream, "-"]].concat();
        let output = shell(&bench, "exec > /dev/full", &arguments);
        assert_failed(&output, 4, &["standard output"]);
        assert_no_panic(&output);
    }
}

#[test]
fn standard_error_that_is_full_or_closed_changes_nothing() {
    for redirection in ["exec 2> /dev/full", "exec 2>&-"] {
        let bench = Bench::new();
        let output = shell(
            &bench,
            redirection,
            &["extract", "absent.nii", "-m", "m.nii"],
        );
        assert_eq!(output.status.code(), Some(3), "{redirection}");
        let arguments = [&EXTRACT[..], &["-m", "m.nii", "--verbose"]].concat();
        let output = shell(&bench, redirection, &arguments);
        assert_eq!(output.status.code(), Some(0), "{redirection}");
    }
}

/// A file that may not grow further, which is what a full disk or a quota looks like.
#[test]
fn a_file_that_cannot_grow_gives_4_and_no_output() {
    let disturbed = Disturbed::new();
    let output = disturbed.shell("trap '' XFSZ; ulimit -f 1");
    assert_failed(&output, 4, &["head_brain"]);
    assert_no_panic(&output);
    assert_eq!(disturbed.temporaries(), 0);
    assert!(
        OUTPUTS
            .iter()
            .all(|name| !disturbed.bench.path(name).exists())
    );
}

/// A mounted file system of 16 kB, then one that is read-only.
#[test]
fn a_full_and_a_read_only_disk_give_4_and_no_output() {
    let disturbed = Disturbed::new();
    fs::create_dir(disturbed.bench.path("disk")).unwrap();
    let program = env!("CARGO_BIN_EXE_endocast");
    for options in ["size=16k", "ro"] {
        let line = format!(
            "mount -t tmpfs -o {options} none disk 2>/dev/null || exit 99\n\
             \"$0\" \"$@\"\ncode=$?\nls -A disk | grep tmp\n\
             cat disk/{} 2>/dev/null\nexit $code",
            OUTPUTS[1]
        );
        let output = Command::new("unshare")
            .args([
                "--user",
                "--map-root-user",
                "--mount",
                "sh",
                "-c",
                &line,
                program,
            ])
            .args(EXTRACT)
            .args(["--out-dir", "disk"])
            .current_dir(disturbed.bench.path(""))
            .output();
        match output {
            Ok(mut output) if ![Some(1), Some(99)].contains(&output.status.code()) => {
                // The mask may have found room; the brain does not.
                let mask = std::mem::take(&mut output.stdout);
                assert!(mask.is_empty() || mask == disturbed.expected[1]);
                assert_failed(&output, 4, &["disk/head_brain"]);
                assert_no_panic(&output);
            }
            _ => println!("SKIPPED {options}: this system mounts nothing for its users"),
        }
    }
}

#[test]
fn a_reader_that_goes_away_gives_4() {
    let bench = Bench::new();
    let arguments = [&EXTRACT[..], &["--mask", "-"]].concat();
    let mut command = bench.command(&arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    assert_no_panic(&output);
}

#[test]
fn two_runs_on_one_output_both_give_it_whole() {
    let disturbed = Disturbed::new();
    for _ in 0..4 {
        let children = [disturbed.start(), disturbed.start()];
        for child in children {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{output:?}");
        }
        assert!(disturbed.assert_whole());
        assert_eq!(disturbed.temporaries(), 0);
    }
}

/// The process may end by a signal of the allocator or the loader, but never with half an output.
#[test]
fn too_little_memory_gives_no_partial_output() {
    let disturbed = Disturbed::new();
    let mut failed = 0;
    for kilobytes in [
        8_000, 16_000, 24_000, 32_000, 48_000, 64_000, 96_000, 128_000,
    ] {
        let output = disturbed.shell(&format!("ulimit -v {kilobytes}"));
        let whole = disturbed.assert_whole();
        if output.status.success() {
            assert!(whole, "{kilobytes} kB");
        } else {
            failed += 1;
            assert!(!whole, "{kilobytes} kB: {output:?}");
        }
        disturbed.clean();
    }
    assert!(failed > 0);
}

#[test]
fn a_header_that_claims_the_largest_volume_is_refused_at_once() {
    let bench = Bench::new();
    let mut header = head([40, 44, 36]).file();
    header.truncate(352);
    for axis in 0..3 {
        header[42 + 2 * axis..44 + 2 * axis].copy_from_slice(&32767_i16.to_le_bytes());
    }
    bench.write("claim.nii", &header);
    let arguments = ["extract", "claim.nii", "--model", "threshold.model"];
    let start = Instant::now();
    let output = shell(&bench, "ulimit -v 100000", &arguments);
    assert_failed(&output, 3, &["claim.nii", "truncated"]);
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_model_that_shrinks_during_a_run_stops_nobody() {
    let disturbed = Disturbed::new();
    let model = fs::read(disturbed.bench.path("threshold.model")).unwrap();
    for step in 0..10 {
        let child = disturbed.start();
        std::thread::sleep(disturbed.time * step / 10);
        disturbed.bench.write("threshold.model", &model[..100]);
        let output = child.wait_with_output().unwrap();
        match output.status.code() {
            Some(0) => assert!(disturbed.assert_whole()),
            code => assert_eq!(code, Some(6), "{output:?}"),
        }
        disturbed.bench.write("threshold.model", &model);
        disturbed.clean();
    }
}

/// A scan that another program is still writing, or takes away.
#[test]
fn an_input_that_changes_is_read_whole_or_refused() {
    let disturbed = Disturbed::new();
    let scan = fs::read(disturbed.bench.path("head.nii")).unwrap();
    for step in 0..10 {
        let child = disturbed.start();
        std::thread::sleep(disturbed.time * step / 20);
        if step % 2 == 0 {
            disturbed.bench.write("head.nii", &scan[..1000]);
        } else {
            fs::remove_file(disturbed.bench.path("head.nii")).unwrap();
        }
        let output = child.wait_with_output().unwrap();
        match output.status.code() {
            Some(0) => assert!(disturbed.assert_whole()),
            code => assert_eq!(code, Some(3), "{output:?}"),
        }
        disturbed.bench.write("head.nii", &scan);
        disturbed.clean();
    }
}
