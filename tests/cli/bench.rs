//! A folder to run the command in.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use endocast::volume::{FourD, Scan};
use tempfile::TempDir;

use crate::common::{SPACING, head, threshold_model};

pub const SHAPE: [usize; 3] = [40, 44, 36];

/// A folder with `head.nii` and `threshold.model`.
pub struct Bench(TempDir);

impl Bench {
    pub fn new() -> Bench {
        let bench = Bench(tempfile::tempdir().unwrap());
        bench.write("head.nii", &head(SHAPE).file());
        bench.write("threshold.model", &threshold_model());
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub fn scan(&self, name: &str) -> Scan {
        Scan::read(self.path(name), FourD::First).unwrap()
    }

    /// Values of a file, first axis fastest.
    pub fn values(&self, name: &str) -> Vec<f32> {
        self.scan(name).to_array().0.t().iter().copied().collect()
    }

    /// Names of all files, sorted, hidden ones included.
    pub fn files(&self) -> Vec<String> {
        self.files_of("")
    }

    /// Names of all files in a folder of the folder.
    pub fn files_of(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// The command, started in the folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_endocast"));
        command.args(arguments).current_dir(self.0.path());
        for variable in ["ENDOCAST_CPU", "ENDOCAST_MODEL", "FSLOUTPUTTYPE"] {
            command.env_remove(variable);
        }
        command
    }

    /// Runs the command and returns what it printed.
    pub fn good(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// `extract --force` with the threshold model; prints nothing.
    pub fn extract(&self, arguments: &[&str]) {
        let all = [
            &[
                "extract",
                "--force",
                "--model",
                "threshold.model",
                "-t",
                "2",
                "--qc-exit",
                "0",
            ],
            arguments,
        ]
        .concat();
        assert_eq!(self.good(&all), "");
    }

    /// Runs `extract`, which must fail with one line that holds all of `words`, and leave nothing behind.
    pub fn refused(&self, arguments: &[&str], code: i32, words: &[&str]) {
        let before = self.files();
        let all = [&["extract", "--model", "threshold.model"], arguments].concat();
        let output = self.command(&all).output().unwrap();
        assert_failed(&output, code, words);
        let lines = String::from_utf8_lossy(&output.stderr).lines().count();
        assert_eq!(lines, 1, "{output:?}");
        assert_eq!(self.files(), before);
    }
}

pub fn assert_failed(output: &Output, code: i32, words: &[&str]) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{errors}");
    assert!(output.stdout.is_empty(), "{output:?}");
    for word in words {
        assert!(errors.contains(word), "no '{word}' in: {errors}");
    }
}

pub fn count(mask: &[f32]) -> usize {
    mask.iter().filter(|&&voxel| voxel != 0.0).count()
}

pub fn millilitres(mask: &[f32]) -> f64 {
    count(mask) as f64 * SPACING.iter().map(|&edge| f64::from(edge)).product::<f64>() / 1000.0
}
