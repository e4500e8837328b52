//! FreeSurfer's MGH files, good and bad.

use endocast::volume::{Datatype, Error, FourD, Scan};
use proptest::prelude::*;

use crate::any_bytes::read_anything;
use crate::sample::gzip;

const SHAPE: [i32; 3] = [3, 4, 5];

/// A file of one type with distinct numbers everywhere.
fn mgh(code: i32, size: usize, frames: i32) -> Vec<u8> {
    let [x, y, z] = SHAPE;
    let mut file: Vec<u8> = [1, x, y, z, frames, code, 0]
        .into_iter()
        .flat_map(i32::to_be_bytes)
        .collect();
    file.extend(1_i16.to_be_bytes());
    let floats: [f32; 15] = [
        1.5, 2.0, 2.5, -0.8, 0.6, 0.0, 0.0, 0.0, -1.0, 0.6, 0.8, 0.0, 4.0, -5.0, 6.0,
    ];
    file.extend(floats.into_iter().flat_map(f32::to_be_bytes));
    file.resize(284, 0);
    for value in 0..(x * y * z * frames) {
        let bytes = match code {
            3 => (value as f32).to_be_bytes().to_vec(),
            _ => value.to_be_bytes()[4 - size..].to_vec(),
        };
        file.extend(bytes);
    }
    file
}

const TYPES: [(i32, usize, Datatype); 5] = [
    (0, 1, Datatype::U8),
    (1, 4, Datatype::I32),
    (3, 4, Datatype::F32),
    (4, 2, Datatype::I16),
    (10, 2, Datatype::U16),
];

fn read(bytes: &[u8]) -> Result<Scan, Error> {
    Scan::from_bytes(bytes, "test.mgh", FourD::First)
}

#[test]
fn every_type_plain_and_compressed() {
    for (code, size, datatype) in TYPES {
        let file = mgh(code, size, 2);
        for bytes in [file.clone(), gzip(&file)] {
            for volume in 0..2 {
                let scan = Scan::from_bytes(&bytes, "test.mgz", FourD::Volume(volume)).unwrap();
                assert_eq!(scan.voxels().datatype(), datatype);
                assert_eq!(scan.volumes(), 2);
                for (index, &value) in scan.to_array().0.t().iter().enumerate() {
                    assert_eq!(value, (60 * volume + index) as f32);
                }
            }
        }
    }
}

#[test]
fn the_centre_is_where_the_header_says() {
    let scan = read(&mgh(4, 2, 1)).unwrap();
    let geometry = scan.geometry();
    let centre = geometry
        .affine
        .map(|[a, b, c, d]| a * 1.5 + b * 2.0 + c * 2.5 + d);
    for (found, expected) in centre.into_iter().zip([4.0, -5.0, 6.0]) {
        assert!((found - expected).abs() < 1e-6, "{centre:?}");
    }
    for (found, expected) in geometry.spacing.into_iter().zip([1.5, 2.0, 2.5]) {
        assert!((found - expected).abs() < 1e-6);
    }
    assert_eq!(geometry.orientation(), "LIA");
    // Without a position the file is coronal, 1 mm, around the origin.
    let mut unplaced = mgh(4, 2, 1);
    unplaced[28..30].fill(0);
    let scan = read(&unplaced).unwrap();
    let expected = [
        [-1.0, 0.0, 0.0, 1.5],
        [0.0, 0.0, 1.0, -2.5],
        [0.0, -1.0, 0.0, 2.0],
    ];
    assert_eq!(scan.geometry().affine, expected);
}

#[test]
fn wrong_files_are_named() {
    let good = mgh(4, 2, 1);
    let changed = |at: usize, value: i32| {
        let mut file = good.clone();
        file[at..at + 4].copy_from_slice(&value.to_be_bytes());
        read(&file).unwrap_err()
    };
    assert!(matches!(changed(4, -1), Error::BadDim { index: 1, .. }));
    assert!(matches!(changed(16, 0), Error::BadDim { index: 4, .. }));
    assert!(matches!(changed(8, 1), Error::NotThreeD { .. }));
    assert!(matches!(changed(20, 7), Error::Datatype { code: 7, .. }));
    assert!(matches!(changed(30, 0), Error::BadAffine { .. }));
    let [huge, nan] = [1 << 20, f32::NAN.to_bits() as i32];
    assert!(matches!(changed(4, huge), Error::Truncated { .. }));
    assert!(matches!(changed(78, nan), Error::BadAffine { .. }));
    for length in [4, 50, 283, good.len() - 1] {
        let error = read(&good[..length]).unwrap_err();
        assert!(
            matches!(error, Error::Truncated { .. }),
            "{length}: {error}"
        );
    }
    let error = read(&good[..3]).unwrap_err();
    assert!(matches!(error, Error::NotNifti { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn mutated_headers_never_panic_or_ask_for_much(
        kind in 0..TYPES.len(),
        frames in 1..3i32,
        changes in prop::collection::vec((0..90usize, any::<u8>()), 1..6),
        packed in any::<bool>(),
        mean in any::<bool>(),
    ) {
        let (code, size, _) = TYPES[kind];
        let mut bytes = mgh(code, size, frames);
        for (at, value) in changes {
            bytes[at] = value;
        }
        let four_d = if mean { FourD::Mean } else { FourD::First };
        read_anything(&if packed { gzip(&bytes) } else { bytes }, four_d);
    }
}
