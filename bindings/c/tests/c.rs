//! Programs in C against the header and both libraries.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use engine::volume::{FourD, Scaling, Scan, Voxels};
use engine::{Extractor, Options};
use tempfile::TempDir;

/// Builds the libraries as a user does and returns their folder.
fn libraries() -> PathBuf {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--offline", "--package", "endocast-c"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(built.success());
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("../debug")
}

/// Compiles a program against the shared or the static library.
fn compile(source: &str, program: &Path, shared: bool) -> bool {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let libraries = libraries();
    let mut compiler = Command::new("cc");
    compiler
        .args([
            "-std=c99",
            "-D_GNU_SOURCE",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-O1",
        ])
        .arg(here.join(source))
        .arg("-I")
        .arg(here)
        .arg("-o")
        .arg(program);
    if shared {
        compiler.arg("-L").arg(&libraries).arg("-lendocast");
        compiler.arg(format!("-Wl,-rpath,{}", libraries.display()));
    } else {
        compiler.arg(libraries.join("libendocast.a"));
    }
    match compiler.args(["-lpthread", "-ldl", "-lm"]).status() {
        Ok(status) => {
            assert!(status.success(), "{source}");
            true
        }
        Err(_) if std::env::var_os("CI").is_none() => {
            eprintln!("SKIPPED: there is no C compiler");
            false
        }
        Err(error) => panic!("cc: {error}"),
    }
}

fn run(program: &Path, arguments: &[&str], folder: &TempDir) -> Output {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

/// A head of nested ellipsoids, in which the shipped model finds a brain.
fn head() -> Scan {
    const SHAPE: [usize; 3] = [64, 76, 64];
    const LAYERS: [([f64; 3], i16); 5] = [
        ([84.0, 102.0, 88.0], 700),
        ([79.0, 97.0, 83.0], 80),
        ([73.0, 90.0, 76.0], 150),
        ([70.0, 86.0, 72.0], 450),
        ([62.0, 78.0, 64.0], 650),
    ];
    let mut voxels: Vec<i16> = Vec::new();
    for index in 0..SHAPE.iter().product() {
        let at = [index % 64, index / 64 % 76, index / 64 / 76];
        let at = [0, 1, 2].map(|axis| 3.0 * (at[axis] as f64 - (SHAPE[axis] - 1) as f64 / 2.0));
        let radius = |radii: &[f64; 3]| -> f64 {
            let parts = at.iter().zip(radii).map(|(x, r)| (x / r).powi(2));
            parts.sum()
        };
        let layer = LAYERS.iter().rfind(|(radii, _)| radius(radii) < 1.0);
        voxels.push(layer.map_or(0, |&(_, value)| value) + (index % 11) as i16);
    }
    let affine = [0, 1, 2].map(|axis| {
        let mut row = [0.0; 4];
        row[axis] = 3.0;
        row[3] = -1.5 * (SHAPE[axis] - 1) as f64;
        row
    });
    Scan::new(SHAPE, affine, Voxels::I16(voxels), Scaling::NONE).unwrap()
}

#[test]
fn the_example_gives_the_bytes_of_the_engine() {
    let folder = tempfile::tempdir().unwrap();
    let scan = head();
    let everything = engine::ndarray::Array3::ones(scan.geometry().shape);
    let path = folder.path().join("head.nii");
    scan.write_brain(&path, &everything).unwrap();
    let scan = Scan::read(&path, FourD::First).unwrap();
    let mut extractor =
        Extractor::new(engine::embedded_model().unwrap(), &Options::default()).unwrap();
    let mask = extractor.extract(&scan, false).unwrap().mask;
    scan.write_mask(folder.path().join("expected.nii.gz"), &mask)
        .unwrap();
    assert!(mask.iter().any(|&voxel| voxel != 0));

    for shared in [true, false] {
        let program = folder.path().join("extract");
        if !compile("../../examples/c/extract.c", &program, shared) {
            return;
        }
        let output = run(&program, &["head.nii", "mask.raw", "mask.nii.gz"], &folder);
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(
            said.starts_with(concat!("endocast ", env!("CARGO_PKG_VERSION"))),
            "{said}"
        );
        let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
        assert!(read("mask.raw").iter().eq(mask.t().iter()), "in memory");
        assert_eq!(
            read("mask.nii.gz"),
            read("expected.nii.gz"),
            "from file to file"
        );
        fs::remove_file(folder.path().join("mask.nii.gz")).unwrap();
    }
}

#[test]
fn misuse_and_threads() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("misuse");
    if compile("tests/misuse.c", &program, true) {
        run(&program, &[env!("CARGO_PKG_VERSION")], &folder);
    }
}

#[test]
fn the_header_is_good_cpp_too() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("header.o");
    let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("endocast.h");
    let compiled = Command::new("cc")
        .args([
            "-x",
            "c++",
            "-std=c++11",
            "-pedantic",
            "-Wall",
            "-Werror",
            "-c",
        ])
        .arg(header)
        .arg("-o")
        .arg(program)
        .status();
    match compiled {
        Ok(status) => assert!(status.success()),
        Err(_) => eprintln!("SKIPPED: there is no C compiler"),
    }
}
