//! The affine and what is derived from it.

use endocast::volume::{Error, Scaling, Scan, Version, Voxels};

use crate::sample::{Nifti, SHAPE, kinds};

#[test]
fn sform_before_qform_before_pixdim() {
    for kind in kinds() {
        let scan = kind.scan();
        assert_eq!(scan.geometry().affine, kind.sform);
        assert_eq!(scan.geometry().shape, SHAPE);
        assert_eq!(scan.geometry().orientation(), "LAS");

        let qform = Nifti {
            sform_code: 0,
            ..kind.clone()
        }
        .scan();
        let norm = |column: usize| {
            let squares = qform.geometry().affine.map(|row| row[column] * row[column]);
            squares.iter().sum::<f64>().sqrt()
        };
        for (column, size) in [(0, 1.5), (1, 2.0), (2, 2.5)] {
            assert!((norm(column) - size).abs() < 1e-6);
            assert!((qform.geometry().spacing[column] - size).abs() < 1e-6);
        }
        assert_eq!(
            qform.geometry().affine.map(|row| row[3]),
            [-11.0, 12.0, -13.0]
        );
        // Computed with nibabel from the same quaternion, sizes and qfac.
        let expected = [
            [1.11, -1.192_834_26, 0.777_361_85],
            [0.774_625_69, 1.6, 0.763_680_95],
            [0.646_417_12, 0.130_944_73, -2.25],
        ];
        for (row, expected) in qform.geometry().affine.iter().zip(expected) {
            for (value, expected) in row.iter().zip(expected) {
                assert!(
                    (value - expected).abs() < 1e-6,
                    "{:?}",
                    qform.geometry().affine
                );
            }
        }

        let bare = Nifti {
            sform_code: 0,
            qform_code: 0,
            ..kind.clone()
        }
        .scan();
        assert_eq!(
            bare.geometry().affine,
            [
                [1.5, 0.0, 0.0, 0.0],
                [0.0, 2.0, 0.0, 0.0],
                [0.0, 0.0, 2.5, 0.0]
            ]
        );

        for (units, factor) in [(0, 1.0), (1, 1000.0), (2, 1.0), (3, 0.001), (3 | 16, 0.001)] {
            let scan = Nifti {
                units,
                ..kind.clone()
            }
            .scan();
            assert_eq!(
                scan.geometry().affine,
                kind.sform.map(|row| row.map(|v| v * factor))
            );
        }
    }
}

#[test]
fn broken_geometry_is_refused() {
    for kind in kinds() {
        let mut flat = kind.clone();
        flat.sform[2] = [0.0; 4];
        assert!(matches!(
            flat.error(),
            Error::BadAffine { name: "sform", .. }
        ));
        let mut nan = kind.clone();
        nan.sform[0][3] = f64::NAN;
        assert!(matches!(
            nan.error(),
            Error::BadAffine { name: "sform", .. }
        ));
        let mut quaternion = Nifti {
            sform_code: 0,
            ..kind.clone()
        };
        quaternion.quaternion[1] = f64::INFINITY;
        assert!(matches!(
            quaternion.error(),
            Error::BadAffine { name: "qform", .. }
        ));
        for value in [0.0, f64::NAN] {
            let mut size = Nifti {
                sform_code: 0,
                ..kind.clone()
            };
            size.pixdim[2] = value;
            assert!(matches!(size.error(), Error::BadSpacing { axis: 2, .. }));
        }
    }
}

#[test]
fn a_scan_from_memory_is_the_one_from_its_file() {
    let file = Nifti::new(Version::One, false);
    let read = file.scan();
    let geometry = read.geometry().clone();
    let made = Scan::new(
        geometry.shape,
        geometry.affine,
        read.voxels().clone(),
        read.scaling(),
    );
    let made = made.unwrap();
    assert_eq!(made.geometry(), read.geometry());
    assert_eq!(made.to_array(), read.to_array());
    assert_eq!(made.header().scaling(), read.scaling());
    let short = Voxels::U8(vec![0; 7]);
    let error = Scan::new([2, 2, 2], geometry.affine, short, Scaling::NONE).unwrap_err();
    assert_eq!(
        error.to_string(),
        "scan in memory: truncated: 8 bytes needed, 7 found"
    );
}
