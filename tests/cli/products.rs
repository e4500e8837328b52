//! What `extract` makes of a mask beyond the mask.

use std::fs;
use std::process::Stdio;

use endocast::volume::{FourD, Scan};

use crate::bench::{Bench, SHAPE, count, millilitres};
use crate::common::{BRAIN_MM, Head, SPACING, head};

/// Radius in mm of a ball of this volume.
fn radius(millilitres: f64) -> f64 {
    (millilitres * 1000.0 * 0.75 / std::f64::consts::PI).cbrt()
}

#[test]
fn a_border_moves_the_surface_by_millimetres() {
    let bench = Bench::new();
    bench.extract(&["head.nii", "-m", "m.nii", "-d", "d.nii"]);
    let mask = bench.values("m.nii");
    let distance = bench.values("d.nii");
    for (border, name) in [("4", "wide.nii"), ("-6.5", "tight.nii"), ("0", "same.nii")] {
        bench.extract(&["head.nii", "-m", name, "-b", border]);
        let moved = bench.values(name);
        let expected = radius(millilitres(&mask)) + border.parse::<f64>().unwrap();
        let found = radius(millilitres(&moved));
        assert!(
            (found - expected).abs() < 2.0,
            "{border}: {found} {expected}"
        );
        let border: f32 = border.parse().unwrap();
        for (&moved, &distance) in moved.iter().zip(&distance) {
            assert_eq!(moved != 0.0, distance <= border, "{distance}");
        }
    }
    for (&mask, &distance) in mask.iter().zip(&distance) {
        assert_eq!(mask != 0.0, distance < 0.0);
        assert!(f64::from(distance) > -BRAIN_MM - 3.0);
    }
    bench.refused(
        &["head.nii", "-m", "none.nii", "-b", "-60"],
        7,
        &["no brain"],
    );
    for wrong in ["far", "1e9", "nan"] {
        let output = bench.command(&["head.nii", "-b", wrong]).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong}");
    }
}

#[test]
fn a_crop_holds_the_brain_where_it_was() {
    let bench = Bench::new();
    bench.extract(&["head.nii", "-o", "b.nii", "-m", "m.nii", "--crop", "c.nii"]);
    let (brain, crop) = (bench.scan("b.nii"), bench.scan("c.nii"));
    let (whole, part) = (brain.geometry(), crop.geometry());
    assert_eq!(whole.spacing, part.spacing);
    assert!((0..3).all(|axis| part.shape[axis] < SHAPE[axis]));
    // Voxel (0, 0, 0) of the crop in voxels of the whole.
    let [x, y, z] = [0, 1, 2].map(|row| part.affine[row][3]);
    let start = whole
        .inverse()
        .map(|[a, b, c, d]| a * x + b * y + c * z + d);
    assert!(
        start.iter().all(|v| (v - v.round()).abs() < 1e-4),
        "{start:?}"
    );
    let start = start.map(|value| value.round() as usize);
    let (whole, _) = brain.to_array();
    let (part, _) = crop.to_array();
    for (index, &value) in part.indexed_iter() {
        let at: [usize; 3] = [index.0 + start[0], index.1 + start[1], index.2 + start[2]];
        assert_eq!(whole[at], value);
    }
    let sum = |array: &ndarray::Array3<f32>| array.iter().map(|&v| f64::from(v)).sum::<f64>();
    assert_eq!(sum(&whole), sum(&part));
}

#[test]
fn a_crop_keeps_qform_and_bare_voxel_sizes_right() {
    let bench = Bench::new();
    let changed = |changes: &[(usize, &[u8])]| {
        let mut file = head(SHAPE).file();
        for (at, bytes) in changes {
            file[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        file
    };
    let none = 0_i16.to_le_bytes();
    let scanner = 1_i16.to_le_bytes();
    let half = 0.5_f32.to_le_bytes();
    let offset = (-40.0_f32).to_le_bytes();
    let qform: &[(usize, &[u8])] = &[(254, &none), (252, &scanner), (260, &half), (268, &offset)];
    for (name, file) in [
        ("q.nii", changed(qform)),
        ("bare.nii", changed(&[(254, &none)])),
    ] {
        bench.write(name, &file);
        bench.extract(&[name, "-o", "b.nii", "--crop", "c.nii"]);
        let (brain, crop) = (bench.scan("b.nii"), bench.scan("c.nii"));
        // The centre of mass in mm stays where it was.
        let centre = |scan: &Scan| {
            let (values, _) = scan.to_array();
            let mut sums = [0.0; 4];
            for ((i, j, k), &value) in values.indexed_iter() {
                let value = f64::from(value);
                let at = [i as f64, j as f64, k as f64];
                for (sum, row) in sums.iter_mut().zip(scan.geometry().affine) {
                    *sum += value * (row[0] * at[0] + row[1] * at[1] + row[2] * at[2] + row[3]);
                }
                sums[3] += value;
            }
            [0, 1, 2].map(|axis| sums[axis] / sums[3])
        };
        for (a, b) in centre(&brain).into_iter().zip(centre(&crop)) {
            assert!((a - b).abs() < 1e-3, "{name}: {a} {b}");
        }
    }
}

#[test]
fn surfaces_are_written_in_both_formats() {
    let bench = Bench::new();
    bench.extract(&["head.nii", "-m", "m.nii", "--mesh", "s.obj"]);
    bench.extract(&["head.nii", "--mesh", "s.surf.gii"]);
    let text = fs::read_to_string(bench.path("s.obj")).unwrap();
    let numbers = |prefix: &str| -> Vec<Vec<f64>> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(prefix));
        lines
            .map(|line| line.split(' ').map(|word| word.parse().unwrap()).collect())
            .collect()
    };
    let (vertices, faces) = (numbers("v "), numbers("f "));
    assert_eq!(vertices.len() + faces.len(), text.lines().count());
    let sixfold: f64 = faces
        .iter()
        .map(|face| {
            let [a, b, c] = [0, 1, 2].map(|corner| &vertices[face[corner] as usize - 1]);
            a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0])
                + a[2] * (b[0] * c[1] - b[1] * c[0])
        })
        .sum();
    let expected = millilitres(&bench.values("m.nii"));
    let found = sixfold / 6000.0;
    assert!((found / expected - 1.0).abs() < 0.05, "{found} {expected}");
    // The sform's origin is at voxel (0, 0, 0); the ball is around the middle of the grid.
    let middle = [0, 1, 2].map(|axis| (SHAPE[axis] - 1) as f64 / 2.0 * f64::from(SPACING[axis]));
    let middle = [58.0 - middle[0], -50.0 + middle[1], -60.0 + middle[2]];
    for vertex in &vertices {
        let squares = vertex.iter().zip(middle).map(|(a, b)| (a - b).powi(2));
        let distance = squares.sum::<f64>().sqrt();
        assert!((distance - BRAIN_MM).abs() < 4.0, "{distance}");
    }
    let xml = fs::read_to_string(bench.path("s.surf.gii")).unwrap();
    for words in [
        &format!("Dim0=\"{}\"", vertices.len())[..],
        &format!("Dim0=\"{}\"", faces.len()),
        "NIFTI_INTENT_TRIANGLE",
    ] {
        assert!(xml.contains(words), "{words}");
    }
    bench.refused(
        &["head.nii", "--mesh", "s.stl"],
        4,
        &["s.stl", ".obj or .gii"],
    );
}

#[test]
fn a_picture_is_a_png() {
    let bench = Bench::new();
    bench.extract(&["head.nii", "--qc", "q.png"]);
    assert!(
        fs::read(bench.path("q.png"))
            .unwrap()
            .starts_with(b"\x89PNG\r\n\x1a\n")
    );
    assert_eq!(bench.files(), ["head.nii", "q.png", "threshold.model"]);
}

#[test]
fn voxels_outside_can_have_a_value() {
    let bench = Bench::new();
    bench.extract(&["head.nii", "-m", "m.nii", "-o", "b.nii", "--fill", "-17"]);
    let (mask, brain) = (bench.values("m.nii"), bench.values("b.nii"));
    for ((&mask, &brain), &voxel) in mask.iter().zip(&brain).zip(&head(SHAPE).voxels()) {
        let expected = if mask != 0.0 { f32::from(voxel) } else { -17.0 };
        assert_eq!(brain, expected);
    }
    // No voxel of this type is that large; the largest is the nearest.
    let arguments = [
        "--model",
        "threshold.model",
        "--fill",
        "1e30",
        "--qc-exit",
        "0",
    ];
    let large =
        bench.command(&[&["extract", "head.nii", "-o", "large.nii"], &arguments[..]].concat());
    let output = { large }.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let errors = String::from_utf8(output.stderr).unwrap();
    let largest = bench.values("large.nii").into_iter().fold(0.0, f32::max);
    assert!(
        errors.contains(&format!("outside the brain they are {largest}")),
        "{errors}"
    );
    // The least voxel is 0.
    bench.extract(&["head.nii", "-o", "min.nii", "--fill", "min"]);
    bench.extract(&["head.nii", "-o", "zero.nii"]);
    assert_eq!(bench.values("min.nii"), bench.values("zero.nii"));
}

#[test]
fn one_mask_for_a_whole_series() {
    let bench = Bench::new();
    let series = Head {
        volumes: vec![0.5, 1.0, 1.5],
        ..head(SHAPE)
    };
    bench.write("series.nii", &series.file());
    bench.extract(&["series.nii", "-m", "mean.nii", "--volume", "mean"]);
    bench.extract(&[
        "series.nii",
        "-m",
        "m.nii",
        "-o",
        "b.nii.gz",
        "--volume",
        "all",
    ]);
    let mask = bench.values("m.nii");
    assert_eq!(mask, bench.values("mean.nii"));
    assert!(count(&mask) > 0);
    let voxels: usize = SHAPE.iter().product();
    for (number, all) in series.voxels().chunks(voxels).enumerate() {
        let brain = Scan::read(bench.path("b.nii.gz"), FourD::Volume(number)).unwrap();
        assert_eq!(brain.volumes(), 3);
        let brain = brain.to_array().0;
        for ((&brain, &mask), &voxel) in brain.t().iter().zip(&mask).zip(all) {
            assert_eq!(brain, f32::from(voxel) * mask);
        }
    }
}

#[test]
fn scans_go_through_pipes() {
    let bench = Bench::new();
    bench.extract(&["head.nii", "-o", "b.nii", "-m", "m.nii"]);
    for (option, name) in [("-o", "b.nii"), ("-m", "m.nii")] {
        let model = ["--model", "threshold.model", "--qc-exit", "0", "--quiet"];
        let mut command = bench.command(&[&["-", option, "-"][..], &model].concat());
        command.stdin(fs::File::open(bench.path("head.nii")).unwrap());
        let output = command.stdout(Stdio::piped()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(
            output.stdout == fs::read(bench.path(name)).unwrap(),
            "{name}"
        );
        assert!(output.stderr.is_empty());
    }
    let mut command = bench.command(&["-", "-o", "-", "--model", "threshold.model"]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(output.stdout.is_empty());
    for wrong in [&["-"][..], &["-", "-o", "-", "-m", "-"]] {
        let output = bench.command(wrong).stdin(Stdio::null()).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn a_sidecar_says_where_the_mask_came_from() {
    let bench = Bench::new();
    bench.extract(&[
        "head.nii",
        "-m",
        "out_mask.nii.gz",
        "--sidecar",
        "-b",
        "1.5",
    ]);
    let text = fs::read(bench.path("out_mask.json")).unwrap();
    let sidecar: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let sha = |path| endocast::weights::sha256_hex(&fs::read(path).unwrap());
    assert_eq!(sidecar["Type"], "Brain");
    assert_eq!(sidecar["Sources"], serde_json::json!(["head.nii"]));
    assert_eq!(sidecar["InputSHA256"], sha(bench.path("head.nii")));
    assert_eq!(
        sidecar["Model"]["SHA256"],
        sha(bench.path("threshold.model"))
    );
    assert_eq!(sidecar["Model"]["Threshold"], 0.5);
    assert_eq!(sidecar["BorderMillimetres"], 1.5);
    let generator = &sidecar["GeneratedBy"];
    assert_eq!(generator["Version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        generator["SHA256"],
        sha(env!("CARGO_BIN_EXE_endocast").into())
    );
    let line = generator["CommandLine"].as_str().unwrap();
    assert!(
        line.ends_with("-m out_mask.nii.gz --sidecar -b 1.5"),
        "{line}"
    );
    assert!(!sidecar["Machine"]["Kernels"].as_array().unwrap().is_empty());
    if cfg!(target_os = "linux") {
        assert!(sidecar["PeakMemoryBytes"].as_f64().unwrap() > 1e6);
    }
    let found = sidecar["BrainMillilitres"].as_f64().unwrap();
    assert!((found - millilitres(&bench.values("out_mask.nii.gz"))).abs() < 1e-6);
    bench.refused(
        &["head.nii", "--prob", "p.nii", "--sidecar"],
        2,
        &["--sidecar"],
    );
}

/// An MGH file of the phantom, with every number where the format has it.
fn mgh() -> Vec<u8> {
    let mut file = vec![0; 284];
    let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
    let [x, y, z] = SHAPE.map(|extent| extent as i32);
    for (index, value) in [1, x, y, z, 1, 4, 0].into_iter().enumerate() {
        put(4 * index, &value.to_be_bytes());
    }
    put(28, &1_i16.to_be_bytes());
    let half = |axis: usize| SHAPE[axis] as f32 / 2.0 * SPACING[axis];
    let axes = [-1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    let centre = [58.0 - half(0), -50.0 + half(1), -60.0 + half(2)];
    let floats = SPACING.into_iter().chain(axes).chain(centre);
    for (index, value) in floats.enumerate() {
        put(30 + 4 * index, &value.to_be_bytes());
    }
    file.extend(head(SHAPE).voxels().into_iter().flat_map(i16::to_be_bytes));
    file.extend(b"tags that nobody reads");
    file
}

#[test]
fn an_mgh_file_gives_the_same_mask() {
    let bench = Bench::new();
    bench.write("head.mgh", &mgh());
    bench.extract(&["head.nii", "-m", "m.nii", "-o", "b.nii"]);
    bench.extract(&["head.mgh"]);
    for (ours, name) in [
        ("b.nii", "head_brain.nii.gz"),
        ("m.nii", "head_brain_mask.nii.gz"),
    ] {
        let (ours, found) = (bench.scan(ours), bench.scan(name));
        assert_eq!(ours.geometry(), found.geometry());
        assert_eq!(ours.to_array(), found.to_array());
        assert!(!found.header().is_big_endian());
    }
}
