//! What a good file gives, in every form.

use std::fs;
use std::path::{Path, PathBuf};

use endocast::volume::{Datatype, Error, FourD, Scan, Version, Voxels};
use tempfile::TempDir;

use crate::sample::{COUNT, Nifti, TYPES, expected, gzip, kinds, ramp};

fn write_pair(folder: &Path, nifti: &Nifti, gz: bool) -> (PathBuf, PathBuf) {
    let suffix = if gz { ".gz" } else { "" };
    let header = folder.join(format!("scan.hdr{suffix}"));
    let image = folder.join(format!("scan.img{suffix}"));
    let pack = |bytes: Vec<u8>| if gz { gzip(&bytes) } else { bytes };
    fs::write(&header, pack(nifti.header())).unwrap();
    fs::write(&image, pack(nifti.image())).unwrap();
    (header, image)
}

#[test]
fn every_type_version_byte_order_and_form() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("scan.nii");
    for (datatype, code, size) in TYPES {
        for kind in kinds() {
            let mut nifti = kind.typed(code, size);
            if !matches!(
                datatype,
                Datatype::U8 | Datatype::U16 | Datatype::U32 | Datatype::U64
            ) {
                nifti.voxels[7] = -101.0;
            }
            let check = |scan: Scan| {
                assert_eq!(scan.header().version(), nifti.version);
                assert_eq!(scan.header().is_big_endian(), nifti.big_endian);
                assert_eq!(scan.header().bytes(), nifti_header(&nifti, &scan));
                assert_eq!(scan.header().datatype(), datatype);
                assert_eq!(scan.header().qform_code(), 1);
                assert_eq!(scan.header().sform_code(), 2);
                assert_eq!(scan.voxels().datatype(), datatype);
                assert_eq!(scan.voxels().len(), COUNT);
                assert_eq!(scan.voxels().get(7), Some(nifti.voxels[7]));
                assert_eq!(scan.voxels().get(COUNT), None);
                assert_eq!(scan.volumes(), 1);
                assert_eq!(scan.to_array_f64(), (expected(&nifti), 0));
                assert_eq!(
                    scan.to_array().0,
                    expected(&nifti).mapv(|value| value as f32)
                );
            };
            fs::write(&path, nifti.bytes()).unwrap();
            check(Scan::read(&path, FourD::First).unwrap());
            fs::write(&path, gzip(&nifti.bytes())).unwrap();
            check(Scan::read(&path, FourD::First).unwrap());
            check(Scan::from_bytes(&nifti.bytes(), "memory", FourD::First).unwrap());
            for gz in [false, true] {
                let pair = Nifti {
                    pair: true,
                    ..nifti.clone()
                };
                let (header, image) = write_pair(folder.path(), &pair, gz);
                check(Scan::read(&header, FourD::First).unwrap());
                check(Scan::read(&image, FourD::First).unwrap());
                fs::remove_file(header).unwrap();
                fs::remove_file(image).unwrap();
            }
        }
    }
}

/// The header bytes a scan of this file should have kept.
fn nifti_header(nifti: &Nifti, scan: &Scan) -> Vec<u8> {
    Nifti {
        pair: !scan.header().is_single_file(),
        ..nifti.clone()
    }
    .header()
}

#[test]
fn multi_member_gzip() {
    let bytes = Nifti::new(Version::One, false).bytes();
    let plain = Scan::from_bytes(&bytes, "a", FourD::First).unwrap();
    for cut in [1, 200, 352, 400] {
        let (front, back) = bytes.split_at(cut);
        let mut members = gzip(front);
        members.extend(gzip(back));
        members.extend(gzip(b""));
        let scan = Scan::from_bytes(&members, "a", FourD::First).unwrap();
        assert_eq!(scan.voxels(), plain.voxels());
    }
}

#[test]
fn pairs_of_mixed_compression_and_upper_case() {
    let folder = TempDir::new().unwrap();
    let nifti = Nifti {
        pair: true,
        ..Nifti::new(Version::One, false)
    };
    let at = |name: &str| folder.path().join(name);
    fs::write(at("a.hdr"), nifti.header()).unwrap();
    fs::write(at("a.img.gz"), gzip(&nifti.image())).unwrap();
    fs::write(at("B.HDR"), nifti.header()).unwrap();
    fs::write(at("B.IMG"), nifti.image()).unwrap();
    for name in ["a.hdr", "a.img.gz", "B.HDR", "B.IMG"] {
        let scan = Scan::read(at(name), FourD::First).unwrap();
        assert_eq!(scan.to_array_f64().0, expected(&nifti), "{name}");
    }
}

#[test]
fn pair_with_an_offset_and_extensions_in_front_of_the_voxels() {
    let folder = TempDir::new().unwrap();
    let nifti = Nifti {
        pair: true,
        vox_offset: Some(32.0),
        ..Nifti::new(Version::Two, true)
    };
    let header = folder.path().join("a.hdr");
    fs::write(&header, nifti.header()).unwrap();
    fs::write(
        folder.path().join("a.img"),
        [vec![9; 32], nifti.image()].concat(),
    )
    .unwrap();
    let scan = Scan::read(&header, FourD::First).unwrap();
    assert_eq!(scan.to_array_f64().0, expected(&nifti));

    for kind in kinds() {
        let nifti = Nifti {
            extension: vec![7; 64],
            ..kind
        };
        assert_eq!(nifti.scan().to_array_f64().0, expected(&nifti));
    }
}

#[test]
fn scaling_and_its_special_cases() {
    for kind in kinds() {
        let plain = expected(&kind);
        let scaled = Nifti {
            slope: -0.5,
            intercept: 10.0,
            ..kind.clone()
        };
        assert_eq!(
            scaled.scan().to_array_f64().0,
            plain.mapv(|value| 10.0 - value / 2.0)
        );
        for (slope, intercept) in [
            (0.0, 0.0),
            (0.0, 5.0),
            (f64::NAN, 0.0),
            (f64::INFINITY, 0.0),
            (2.0, f64::NAN),
        ] {
            let nifti = Nifti {
                slope,
                intercept,
                ..kind.clone()
            };
            assert_eq!(nifti.scan().to_array_f64().0, plain, "{slope} {intercept}");
        }
    }
}

#[test]
fn voxels_that_are_not_finite_become_zero_and_are_counted() {
    let mut nifti = Nifti::new(Version::One, false).typed(64, 8);
    nifti.voxels[0] = f64::NAN;
    nifti.voxels[1] = f64::INFINITY;
    nifti.voxels[2] = f64::NEG_INFINITY;
    nifti.voxels[3] = 1e300;
    let scan = nifti.scan();
    let (array, replaced) = scan.to_array();
    assert_eq!(replaced, 4);
    assert_eq!(array[[0, 0, 0]], 0.0);
    assert_eq!(array[[0, 1, 0]], 0.0);
    assert_eq!(array[[1, 1, 0]], 4.0);
    let (array, replaced) = scan.to_array_f64();
    assert_eq!(replaced, 3);
    assert_eq!(array[[0, 1, 0]], 1e300);
}

#[test]
fn volumes_of_a_series() {
    for kind in kinds() {
        let nifti = Nifti {
            dim: [5, 3, 4, 5, 2, 3, 1, 1],
            slope: 2.0,
            intercept: 1.0,
            voxels: (0..6 * COUNT).map(|index| index as f64).collect(),
            ..kind
        };
        for bytes in [nifti.bytes(), gzip(&nifti.bytes())] {
            let read = |four_d| Scan::from_bytes(&bytes, "series", four_d);
            let first = expected(&nifti);
            let offset = (2 * COUNT) as f64;
            let scan = read(FourD::First).unwrap();
            assert_eq!(scan.volumes(), 6);
            assert_eq!(scan.to_array_f64().0, first);
            for volume in [0, 3, 5] {
                let scan = read(FourD::Volume(volume)).unwrap();
                assert_eq!(
                    scan.to_array_f64().0,
                    first.mapv(|v| v + offset * volume as f64)
                );
                assert_eq!(scan.voxels().datatype(), Datatype::I16);
            }
            let mean = read(FourD::Mean).unwrap();
            assert_eq!(mean.voxels().datatype(), Datatype::F32);
            assert_eq!(
                mean.to_array_f64().0,
                first.mapv(|value| value + offset * 2.5)
            );
            assert!(matches!(
                read(FourD::Volume(6)),
                Err(Error::NoSuchVolume {
                    index: 6,
                    volumes: 6,
                    ..
                })
            ));
        }
    }
}

#[test]
fn mean_counts_non_finite_voxels_as_zero_and_keeps_the_type_of_one_volume() {
    let mut nifti = Nifti {
        dim: [4, 3, 4, 5, 2, 1, 1, 1],
        voxels: ramp(2 * COUNT),
        ..Nifti::new(Version::One, false).typed(16, 4)
    };
    nifti.voxels[1] = f64::NAN;
    let mean = nifti.read(FourD::Mean).unwrap();
    assert_eq!(mean.voxels().get(1), Some(nifti.voxels[COUNT + 1] / 2.0));

    let single = Nifti::new(Version::One, false).read(FourD::Mean).unwrap();
    assert!(matches!(single.voxels(), Voxels::I16(_)));
}

#[test]
fn later_volumes_may_be_missing_unless_they_are_needed() {
    let nifti = Nifti {
        dim: [4, 3, 4, 5, 2, 1, 1, 1],
        voxels: ramp(COUNT + 10),
        ..Nifti::new(Version::One, false)
    };
    for bytes in [nifti.bytes(), gzip(&nifti.bytes())] {
        assert!(Scan::from_bytes(&bytes, "a", FourD::First).is_ok());
        for four_d in [FourD::Volume(1), FourD::Mean] {
            assert!(matches!(
                Scan::from_bytes(&bytes, "a", four_d),
                Err(Error::Truncated {
                    needed: 592,
                    found: 492,
                    ..
                })
            ));
        }
    }
}
