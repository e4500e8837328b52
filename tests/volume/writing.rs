//! What is written, and what stays untouched.

use std::fs;
use std::ops::Range;
use std::path::Path;

use endocast::volume::{Datatype, Error, FourD, Scan, Version, check_output_name};
use ndarray::{Array3, ShapeBuilder};
use tempfile::TempDir;

use crate::sample::{COUNT, Nifti, SHAPE, TYPES, corner_mask, expected, kinds, ramp};

fn files_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Positions at which two headers differ.
fn differences(a: &[u8], b: &[u8]) -> Vec<usize> {
    assert_eq!(a.len(), b.len());
    (0..a.len()).filter(|&at| a[at] != b[at]).collect()
}

/// Byte ranges of the fields that outputs may change, per version.
fn field(version: Version, name: &str) -> Range<usize> {
    let (one, two) = match name {
        "magic" => (344..348, 4..8),
        "dim" => (40..56, 16..80),
        "datatype" => (70..72, 12..14),
        "bitpix" => (72..74, 14..16),
        "vox_offset" => (108..112, 168..176),
        "scl" => (112..120, 176..192),
        "cal" => (124..132, 192..208),
        "intent_code" => (68..70, 504..508),
        "intent_name" => (328..344, 508..524),
        _ => unreachable!("{name}"),
    };
    match version {
        Version::One => one,
        Version::Two => two,
    }
}

fn assert_changed_only(before: &[u8], after: &[u8], version: Version, fields: &[&str]) {
    let allowed: Vec<_> = fields.iter().map(|name| field(version, name)).collect();
    for at in differences(before, after) {
        assert!(
            allowed.iter().any(|range| range.contains(&at)),
            "header byte {at} changed from {} to {}",
            before[at],
            after[at]
        );
    }
}

const FORMS: [&str; 6] = [
    "a.nii", "a.nii.gz", "a.hdr", "a.img", "a.hdr.gz", "a.img.gz",
];

#[test]
fn masks_keep_the_header() {
    let mask = corner_mask();
    for kind in kinds() {
        let nifti = Nifti {
            extension: vec![5; 16],
            slope: 3.0,
            ..kind
        };
        let scan = nifti.scan();
        for form in FORMS {
            assert!(check_output_name(form).is_ok());
            let folder = TempDir::new().unwrap();
            let path = folder.path().join(form);
            scan.write_mask(&path, &mask).unwrap();
            let written = Scan::read(&path, FourD::First).unwrap();
            assert_eq!(written.voxels().datatype(), Datatype::U8);
            assert_eq!(written.to_array_f64().0, mask.mapv(f64::from));
            assert_eq!(written.geometry(), scan.geometry());
            assert_eq!(written.header().version(), nifti.version);
            assert_eq!(written.header().is_big_endian(), nifti.big_endian);
            assert_eq!(written.header().is_single_file(), form.starts_with("a.nii"));
            assert_changed_only(
                scan.header().bytes(),
                written.header().bytes(),
                nifti.version,
                &[
                    "magic",
                    "vox_offset",
                    "datatype",
                    "bitpix",
                    "scl",
                    "cal",
                    "intent_code",
                    "intent_name",
                ],
            );
            for cleared in ["cal", "intent_code", "intent_name"] {
                let range = field(nifti.version, cleared);
                assert!(
                    written.header().bytes()[range]
                        .iter()
                        .all(|&byte| byte == 0)
                );
            }
            let expected = match form {
                "a.nii" | "a.nii.gz" => vec![form],
                "a.hdr" | "a.img" => vec!["a.hdr", "a.img"],
                _ => vec!["a.hdr.gz", "a.img.gz"],
            };
            assert_eq!(files_in(folder.path()), expected);
        }
    }
}

#[test]
fn masks_count_every_value_but_zero_as_inside() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.nii");
    let scan = Nifti::new(Version::One, false).scan();
    scan.write_mask(&path, &corner_mask().mapv(|inside| inside * 255))
        .unwrap();
    let written = Scan::read(&path, FourD::First).unwrap();
    assert_eq!(written.to_array().0, corner_mask().mapv(f32::from));
}

#[test]
fn brains_keep_header_type_and_scaling() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("brain.nii.gz");
    let mask = corner_mask();
    for (datatype, code, size) in TYPES {
        for kind in kinds() {
            let nifti = Nifti {
                slope: 0.5,
                intercept: -4.0,
                ..kind.typed(code, size)
            };
            let scan = nifti.scan();
            scan.write_brain(&path, &mask).unwrap();
            let written = Scan::read(&path, FourD::First).unwrap();
            assert_eq!(written.voxels().datatype(), datatype);
            assert_eq!(written.header().bytes(), scan.header().bytes());
            let mut expected = expected(&nifti);
            expected.zip_mut_with(&mask, |value, &inside| *value *= f64::from(inside));
            assert_eq!(written.to_array_f64().0, expected);
        }
    }
}

#[test]
fn brains_keep_voxels_that_are_not_finite() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("brain.nii");
    let mut nifti = Nifti::new(Version::One, false).typed(16, 4);
    nifti.voxels[0] = f64::NAN;
    nifti.voxels[1] = f64::INFINITY;
    let scan = nifti.scan();
    scan.write_brain(&path, &corner_mask()).unwrap();
    let written = Scan::read(&path, FourD::First).unwrap();
    assert_eq!(written.voxels().get(0), Some(0.0));
    assert_eq!(written.voxels().get(1), Some(f64::INFINITY));
}

#[test]
fn outputs_of_a_series_have_three_dimensions() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("a.nii");
    for kind in kinds() {
        let nifti = Nifti {
            dim: [4, 3, 4, 5, 3, 1, 1, 1],
            slope: 2.0,
            voxels: ramp(3 * COUNT),
            ..kind
        };
        let common = ["dim", "scl", "datatype", "bitpix"];
        for (four_d, changed) in [
            (FourD::First, &common[..1]),
            (FourD::Volume(2), &common[..1]),
            (FourD::Mean, &common),
        ] {
            let scan = nifti.read(four_d).unwrap();
            scan.write_brain(&path, &Array3::ones(SHAPE)).unwrap();
            let written = Scan::read(&path, FourD::First).unwrap();
            assert_eq!(written.volumes(), 1);
            assert_eq!(written.to_array_f64().0, scan.to_array_f64().0);
            let before = scan.header().bytes();
            assert_changed_only(before, written.header().bytes(), nifti.version, changed);
            let three = Nifti {
                dim: [3, 3, 4, 5, 1, 1, 1, 1],
                ..nifti.clone()
            }
            .header();
            let dim = field(nifti.version, "dim");
            assert_eq!(written.header().bytes()[dim.clone()], three[dim]);
        }
    }
}

#[test]
fn maps_are_unscaled_floats() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("map.nii.gz");
    let map = Array3::from_shape_fn(SHAPE, |(i, j, k)| {
        i as f32 - 0.1 * j as f32 + 100.0 * k as f32
    });
    for kind in kinds() {
        let scan = Nifti { slope: 0.0, ..kind }.scan();
        scan.write_f32(&path, &map).unwrap();
        let written = Scan::read(&path, FourD::First).unwrap();
        assert_eq!(written.voxels().datatype(), Datatype::F32);
        assert_eq!(written.to_array().0, map);
        let fortran = Array3::from_shape_fn(SHAPE.f(), |index| map[index]);
        let again = folder.path().join("again.nii.gz");
        scan.write_f32(&again, &fortran).unwrap();
        assert_eq!(fs::read(&path).unwrap(), fs::read(&again).unwrap());
    }
}

#[test]
fn gzip_output_is_reproducible() {
    let folder = TempDir::new().unwrap();
    let scan = Nifti::new(Version::One, false).scan();
    let write = |name: &str| {
        let path = folder.path().join(name);
        scan.write_mask(&path, &corner_mask()).unwrap();
        fs::read(path).unwrap()
    };
    let first = write("one.nii.gz");
    assert_eq!(first, write("another.nii.gz"));
    assert_eq!(first[..3], [0x1f, 0x8b, 8]);
    assert_eq!(first[3], 0, "no name, comment or extra field");
    assert_eq!(first[4..8], [0; 4], "no time");
    assert_eq!(first[9], 255, "no operating system");
}

#[test]
fn failed_writes_leave_nothing() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let scan = Nifti::new(Version::One, false).scan();
    let mask = corner_mask();

    let error = scan.write_mask(at("absent/a.nii"), &mask).unwrap_err();
    assert!(matches!(error, Error::Write { .. }));

    // A folder has the final name, so that the last step fails.
    fs::create_dir(at("taken.nii.gz")).unwrap();
    fs::create_dir(at("pair.hdr")).unwrap();
    for name in ["taken.nii.gz", "pair.img"] {
        let error = scan.write_mask(at(name), &mask).unwrap_err();
        assert!(matches!(error, Error::Write { .. }));
    }

    let wrong_shape = Array3::ones([3, 4, 6]);
    let error = scan.write_brain(at("a.nii"), &wrong_shape).unwrap_err();
    assert!(matches!(
        error,
        Error::ShapeMismatch {
            expected: [3, 4, 5],
            found: [3, 4, 6],
            ..
        }
    ));
    for name in ["a", "a.gz", "a.mgz", "a.nii.bz2", ".nii"] {
        let error = scan.write_mask(at(name), &mask).unwrap_err();
        assert!(matches!(error, Error::UnknownSuffix { .. }), "{name}");
        assert!(matches!(
            check_output_name(at(name)),
            Err(Error::UnknownSuffix { .. })
        ));
    }
    assert_eq!(files_in(folder.path()), ["pair.hdr", "taken.nii.gz"]);
}

#[cfg(unix)]
#[test]
fn unwritable_folders_stay_empty() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().unwrap();
    let locked = folder.path().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(locked.join("probe"), b"").is_ok() {
        eprintln!("SKIPPED: this user may write into any folder");
        return;
    }
    let scan = Nifti::new(Version::One, false).scan();
    let error = scan
        .write_mask(locked.join("a.nii"), &corner_mask())
        .unwrap_err();
    assert!(matches!(error, Error::Write { .. }));
    assert!(files_in(&locked).is_empty());
}

#[test]
fn writing_over_the_input_replaces_it() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("scan.nii");
    let nifti = Nifti::new(Version::Two, true);
    fs::write(&path, nifti.bytes()).unwrap();
    let scan = Scan::read(&path, FourD::First).unwrap();
    scan.write_brain(&path, &Array3::ones(SHAPE)).unwrap();
    assert_eq!(fs::read(&path).unwrap(), nifti.bytes());
    assert_eq!(files_in(folder.path()), ["scan.nii"]);
}
