//! The same files through the `nifti` crate and through nibabel.

use crate::shared::shared;
use std::fs;
use std::path::Path;

use endocast::volume::{FourD, Scan, Version};
use ndarray::{Array3, Ix3};
use nifti::{IntoNdArray, NiftiObject, ReaderOptions};
use tempfile::TempDir;

use crate::sample::{Nifti, SHAPE, TYPES, corner_mask};

#[test]
fn agrees_with_the_nifti_crate() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let read = |path: &Path| {
        let object = ReaderOptions::new().read_file(path).unwrap();
        let header = object.header().clone();
        let array = object.into_volume().into_ndarray::<f64>().unwrap();
        (header, array.into_dimensionality::<Ix3>().unwrap())
    };
    for (_, code, size) in TYPES {
        for big_endian in [false, true] {
            let nifti = Nifti {
                slope: 0.25,
                intercept: -8.0,
                ..Nifti::new(Version::One, big_endian).typed(code, size)
            };
            fs::write(at("scan.nii"), nifti.bytes()).unwrap();
            let scan = Scan::read(at("scan.nii"), FourD::First).unwrap();
            let (_, theirs) = read(&at("scan.nii"));
            assert_eq!(scan.to_array_f64().0, theirs);

            for name in ["brain.nii", "brain.nii.gz", "brain.hdr", "packed.hdr.gz"] {
                scan.write_brain(at(name), &Array3::ones(SHAPE)).unwrap();
                let (header, theirs) = read(&at(name));
                assert_eq!(scan.to_array_f64().0, theirs, "{name}");
                assert_eq!(header.sform_code, 2);
                assert_eq!(header.descrip[..17], *b"a head, described");
            }
            scan.write_mask(at("mask.nii.gz"), &corner_mask()).unwrap();
            let (header, theirs) = read(&at("mask.nii.gz"));
            assert_eq!(header.datatype, 2);
            assert_eq!(corner_mask().mapv(f64::from), theirs);
        }
    }
}

#[test]
fn agrees_with_nibabel_on_real_scans() {
    let Some(folder) = shared("images") else {
        return;
    };
    let numbers = |text: &str| -> Vec<f64> {
        text.split(',')
            .map(|number| number.parse().unwrap())
            .collect()
    };
    for row in include_str!("../data/volumes.tsv").lines().skip(1) {
        let columns: Vec<&str> = row.split('\t').collect();
        let [
            file,
            shape,
            affine,
            spacing,
            orientation,
            oblique,
            min,
            max,
            mean,
        ] = columns[..]
        else {
            panic!("{row}");
        };
        let scan = Scan::read(folder.join(file), FourD::First).unwrap();
        let geometry = scan.geometry();
        assert_eq!(
            geometry.shape.map(|extent| extent as f64)[..],
            numbers(shape),
            "{file}"
        );
        for (ours, theirs) in geometry.affine.iter().flatten().zip(numbers(affine)) {
            assert!(
                (ours - theirs).abs() < 1e-5,
                "{file}: {:?}",
                geometry.affine
            );
        }
        for (ours, theirs) in geometry.spacing.iter().zip(numbers(spacing)) {
            assert!((ours - theirs).abs() < 1e-5, "{file}: {ours} mm");
        }
        assert_eq!(geometry.orientation(), orientation, "{file}");
        let angle = geometry.oblique_angle();
        assert!(
            (angle - numbers(oblique)[0]).abs() < 1e-4,
            "{file}: {angle} degrees"
        );
        let (array, _) = scan.to_array_f64();
        let [min, max, mean] = [min, max, mean].map(|value| value.parse::<f64>().unwrap());
        assert_eq!(array.fold(f64::INFINITY, |a, &b| a.min(b)), min, "{file}");
        assert_eq!(
            array.fold(f64::NEG_INFINITY, |a, &b| a.max(b)),
            max,
            "{file}"
        );
        let ours = array.sum() / array.len() as f64;
        assert!(
            (ours - mean).abs() <= 1e-9 * mean.abs(),
            "{file}: mean {ours} and not {mean}"
        );
    }
}
