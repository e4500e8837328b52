//! What goes wrong: one line, an exit code, nothing left behind.

use std::fs;
use std::io::Write;

use crate::bench::{Bench, SHAPE, assert_failed};
use crate::common::{head, threshold_model, threshold_model_by};

#[test]
fn a_wrong_command_line_gives_2() {
    let bench = Bench::new();
    let wrong: [&[&str]; 10] = [
        &[],
        &["frobnicate"],
        &["extract"],
        &["extract", "head.nii", "--frobnicate"],
        &["extract", "head.nii", "-t", "0"],
        &["extract", "head.nii", "--threshold", "1.5"],
        &["extract", "head.nii", "--volume", "last"],
        &["compare", "head.nii"],
        &["convert", "head.nii"],
        &["explain", "--grid", "many"],
    ];
    let before = bench.files();
    for arguments in wrong {
        let output = bench.command(arguments).output().unwrap();
        assert_failed(&output, 2, &["--help"]);
    }
    assert_eq!(bench.files(), before);
}

#[test]
fn a_map_that_the_route_does_not_give_is_2() {
    let bench = Bench::new();
    let route = "route=brainmage-ma grid=32 outputs=brain,tissue threshold=0.5";
    bench.write("threshold.model", &threshold_model_by(route));
    let arguments = ["head.nii", "-m", "m.nii", "--prob", "p.nii"];
    bench.refused(&arguments, 2, &["no probability map"]);
}

#[test]
fn an_unusable_input_gives_3() {
    let bench = Bench::new();
    let good = head(SHAPE).file();
    let changed = |at: usize, bytes: &[u8]| {
        let mut file = good.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    bench.write("text.nii", b"This is not a scan.");
    bench.write("empty.nii", b"");
    bench.write("short.nii", &good[..good.len() - 1]);
    bench.write("magic.nii", &changed(344, b"n+9\0"));
    bench.write("complex.nii", &changed(70, &32_i16.to_le_bytes()));
    bench.write("flat.nii", &changed(46, &0_i16.to_le_bytes()));
    bench.write("gzip.nii.gz", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2]);
    let constant = [&good[..352], &vec![7; good.len() - 352][..]].concat();
    bench.write("constant.nii", &constant);
    for (name, cause) in [
        ("absent.nii", "cannot open"),
        (".", "not a regular file"),
        ("text.nii", "not a NIfTI file"),
        ("empty.nii", "not a NIfTI file"),
        ("short.nii", "truncated"),
        ("magic.nii", "magic"),
        ("complex.nii", "complex"),
        ("flat.nii", "dim[3]"),
        ("gzip.nii.gz", "gzip"),
        ("constant.nii", "constant"),
    ] {
        bench.refused(&[name, "-o", "out.nii"], 3, &[name, cause]);
    }
}

#[test]
fn an_unwritable_output_gives_4() {
    let bench = Bench::new();
    fs::create_dir(bench.path("folder.nii")).unwrap();
    for option in ["-o", "-m", "--prob"] {
        for (name, cause) in [
            ("nowhere/out.nii", "cannot write"),
            ("out.png", "output names end in"),
            ("folder.nii", "cannot write"),
        ] {
            // The other outputs are not written either.
            bench.refused(&["head.nii", option, name], 4, &[name, cause]);
        }
    }
    bench.refused(
        &["head.nii", "-m", "m.nii", "--prob", "nowhere/p.nii"],
        4,
        &["nowhere/p.nii"],
    );
    bench.refused(
        &["head.nii", "-m", "m.nii", "--json", "nowhere/r.json"],
        4,
        &["nowhere/r.json"],
    );
}

#[test]
fn a_damaged_model_gives_6() {
    let bench = Bench::new();
    let good = threshold_model();
    bench.write("short.model", &good[..good.len() - 64]);
    bench.write("text.model", b"This is not a model.");
    bench.write("other.model", &head(SHAPE).file());
    for (name, code, cause) in [
        ("absent.model", 2, "cannot read the model"),
        ("short.model", 6, "data section has"),
        ("text.model", 6, "not a model"),
        ("other.model", 6, "not a model"),
    ] {
        for command in [
            &["extract", "head.nii"][..],
            &["info"],
            &["explain", "-t", "1"],
        ] {
            let before = bench.files();
            let output = bench
                .command(&[command, &["--model", name]].concat())
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(code), "{command:?} {name}");
            let errors = String::from_utf8(output.stderr).unwrap();
            assert!(errors.contains(name) && errors.contains(cause), "{errors}");
            assert_eq!(errors.lines().count(), 1, "{errors}");
            assert_eq!(bench.files(), before);
        }
    }
    let mut damaged = good;
    *damaged.last_mut().unwrap() ^= 1;
    bench.write("damaged.model", &damaged);
    let output = bench
        .command(&["info", "--model", "damaged.model"])
        .output();
    assert_eq!(output.unwrap().status.code(), Some(6));
}

#[test]
fn no_brain_gives_7() {
    let bench = Bench::new();
    bench.refused(
        &["head.nii", "--threshold", "0.99999"],
        7,
        &["head.nii", "no brain found"],
    );
}

/// The header alone says it: the voxels behind it are cut off.
#[test]
fn too_little_memory_gives_5_before_voxels_are_read() {
    let bench = Bench::new();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&head(SHAPE).file()).unwrap();
    let file = gzip.finish().unwrap();
    bench.write("cut.nii.gz", &file[..file.len() / 2]);
    bench.refused(&["cut.nii.gz"], 3, &["cut.nii.gz"]);
    bench.refused(
        &["cut.nii.gz", "--max-ram", "5"],
        5,
        &["cut.nii.gz: needs", "MB of memory, 5 are allowed"],
    );
    let output = bench.command(&[
        "extract",
        "cut.nii.gz",
        "--estimate",
        "--model",
        "threshold.model",
        "--max-ram",
        "5",
    ]);
    assert_failed(&{ output }.output().unwrap(), 5, &["cut.nii.gz: needs"]);
}

#[test]
fn what_cannot_be_foreseen_is_no_bound() {
    let bench = Bench::new();
    for arguments in [
        &["-", "-m", "m.nii"][..],
        &["head.nii", "-m", "m.nii", "--mesh", "m.obj"],
        &["head.nii", "-m", "m.nii", "--qc", "m.png"],
    ] {
        let arguments = [arguments, &["--max-ram", "4000"]].concat();
        bench.refused(&arguments, 2, &["--max-ram"]);
    }
}
