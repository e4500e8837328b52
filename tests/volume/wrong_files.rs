//! One error for every way a file can be wrong.

use std::fs;

use endocast::volume::{Error, FourD, Scan, Version};
use tempfile::TempDir;

use crate::sample::{Nifti, gzip, kinds};

#[test]
fn unsupported_types_are_named() {
    for kind in kinds() {
        for (code, name) in [
            (0, "unknown"),
            (1, "binary"),
            (32, "complex64"),
            (128, "rgb24"),
            (1536, "float128"),
            (1792, "complex128"),
            (2304, "rgba32"),
            (-4, "unknown"),
        ] {
            match kind.clone().typed(code, 16).read(FourD::First) {
                Err(Error::Datatype {
                    code: found,
                    name: found_name,
                    ..
                }) => {
                    assert_eq!((found, found_name), (code.into(), name));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn contradictory_bitpix() {
    for kind in kinds() {
        let error = Nifti { bitpix: 8, ..kind }.error();
        assert!(matches!(
            error,
            Error::Bitpix {
                bitpix: 8,
                expected: 16,
                ..
            }
        ));
    }
}

#[test]
fn bad_dimensions() {
    for kind in kinds() {
        let with_dim = |dim| {
            Nifti {
                dim,
                ..kind.clone()
            }
            .error()
        };
        for axes in [0, -1, 8, i16::MAX.into()] {
            let error = with_dim([axes, 3, 4, 5, 1, 1, 1, 1]);
            assert!(matches!(error, Error::BadDim { index: 0, .. }), "{error}");
        }
        for value in [0, -3] {
            for index in 1..=4 {
                let mut dim = [4, 3, 4, 5, 1, 1, 1, 1];
                dim[index] = value;
                match with_dim(dim) {
                    Error::BadDim { index: found, .. } => assert_eq!(found, index),
                    other => panic!("{other}"),
                }
            }
        }
        assert!(matches!(
            with_dim([2, 64, 64, 1, 1, 1, 1, 1]),
            Error::NotThreeD {
                shape: [64, 64, 1],
                ..
            }
        ));
        assert!(matches!(
            with_dim([3, 60, 1, 1, 1, 1, 1, 1]),
            Error::NotThreeD { .. }
        ));
        assert!(matches!(
            with_dim([4, 3, 4, 1, 5, 1, 1, 1]),
            Error::NotThreeD { .. }
        ));
    }
}

#[test]
fn absurd_claims_are_refused_without_reading() {
    for kind in kinds() {
        let most = i16::MAX.into();
        let huge = Nifti {
            dim: [3, most, most, most, 1, 1, 1, 1],
            ..kind.clone()
        };
        assert!(matches!(huge.error(), Error::Truncated { needed, .. } if needed > 1 << 45));
        let packed = gzip(&huge.bytes());
        match Scan::from_bytes(&packed, "a", FourD::First).unwrap_err() {
            Error::ClaimTooLarge { length, .. } => assert_eq!(length, packed.len() as u64),
            other => panic!("{other}"),
        }
        let series = Nifti {
            dim: [7, most, most, most, most, most, most, most],
            ..kind.clone()
        };
        assert!(matches!(
            series.read(FourD::Mean).unwrap_err(),
            Error::SizeOverflow { .. } | Error::Truncated { .. }
        ));
    }
    let overflow = Nifti {
        dim: [3, i64::MAX, i64::MAX, 2, 1, 1, 1, 1],
        ..Nifti::new(Version::Two, false)
    };
    assert!(matches!(overflow.error(), Error::SizeOverflow { .. }));
    let series = Nifti {
        dim: [5, 3, 4, 5, i64::MAX, i64::MAX, 1, 1],
        ..Nifti::new(Version::Two, false)
    };
    assert!(matches!(series.error(), Error::SizeOverflow { .. }));
}

#[test]
fn lying_vox_offset() {
    for kind in kinds() {
        let with_offset = |offset| {
            Nifti {
                vox_offset: Some(offset),
                ..kind.clone()
            }
            .error()
        };
        // Left out, which some writers do.
        let without = Nifti {
            vox_offset: Some(0.0),
            ..kind.clone()
        };
        let values = |file: &Nifti| file.read(FourD::First).unwrap().to_array().0;
        assert_eq!(values(&without), values(&kind));
        for offset in [-1.0, 348.0, 351.0] {
            assert!(
                matches!(with_offset(offset), Error::VoxOffset { .. }),
                "{offset}"
            );
        }
        assert!(matches!(with_offset(1e6), Error::Truncated { .. }));
        if kind.version == Version::One {
            for offset in [352.5, f64::NAN, f64::INFINITY] {
                assert!(
                    matches!(with_offset(offset), Error::VoxOffset { .. }),
                    "{offset}"
                );
            }
            assert!(matches!(with_offset(1e30), Error::SizeOverflow { .. }));
        } else {
            assert!(matches!(
                with_offset(i64::MAX as f64),
                Error::Truncated { .. }
            ));
        }
    }
}

#[test]
fn truncated_at_every_byte() {
    for kind in kinds() {
        let bytes = kind.bytes();
        for len in 0..bytes.len() {
            let error = Scan::from_bytes(&bytes[..len], "cut.nii", FourD::First).unwrap_err();
            match error {
                Error::NotNifti { .. } => assert!(len < 4),
                Error::Truncated { found, needed, .. } => {
                    assert!(len >= 4);
                    assert_eq!(found, len as u64);
                    assert!(needed > found);
                }
                other => panic!("{len}: {other}"),
            }
        }
    }
}

#[test]
fn damaged_gzip() {
    let nifti = Nifti {
        dim: [3, 30, 40, 50, 1, 1, 1, 1],
        ..Nifti::new(Version::One, false)
    };
    let noise = |index: usize| (index.wrapping_mul(2_654_435_761) >> 7) % 30_000;
    let nifti = Nifti {
        voxels: (0..60_000).map(|index| noise(index) as f64).collect(),
        ..nifti
    };
    let packed = gzip(&nifti.bytes());
    let read = |bytes: &[u8]| Scan::from_bytes(bytes, "a.nii.gz", FourD::First);
    assert!(read(&packed).is_ok());

    for len in [2, 5, 10] {
        assert!(
            matches!(read(&packed[..len]), Err(Error::NotNifti { .. })),
            "{len}"
        );
    }
    let half = read(&packed[..packed.len() / 2]).unwrap_err();
    assert!(
        matches!(
            half,
            Error::Truncated {
                needed: 120_352,
                ..
            }
        ),
        "{half}"
    );
    let without_checksum = read(&packed[..packed.len() - 8]).unwrap_err();
    assert!(
        matches!(without_checksum, Error::Gzip { .. }),
        "{without_checksum}"
    );

    let mut wrong_checksum = packed.clone();
    let at = wrong_checksum.len() - 8;
    wrong_checksum[at] ^= 1;
    assert!(matches!(read(&wrong_checksum), Err(Error::Gzip { .. })));
    let trailing = [packed.clone(), b"garbage".to_vec()].concat();
    assert!(matches!(read(&trailing), Err(Error::Gzip { .. })));
    let mut middle = packed.clone();
    let at = middle.len() / 2;
    middle[at..at + 64].fill(0xff);
    assert!(matches!(
        read(&middle),
        Err(Error::Gzip { .. } | Error::Truncated { .. })
    ));
}

#[test]
fn other_files_are_not_nifti() {
    for bytes in [
        &b""[..],
        b"P5 1 1 255 a",
        &[0; 1000],
        &[0xff; 1000],
        &gzip(b"hello"),
    ] {
        let error = Scan::from_bytes(bytes, "a", FourD::First).unwrap_err();
        assert!(matches!(error, Error::NotNifti { .. }), "{error}");
    }
    let analyze = Nifti {
        magic: Some([0; 4]),
        ..Nifti::new(Version::One, true)
    };
    assert!(matches!(analyze.error(), Error::Analyze { .. }));
    for kind in kinds() {
        let bad = Nifti {
            magic: Some(*b"n+3\0"),
            ..kind.clone()
        };
        match bad.error() {
            Error::BadMagic { magic, .. } => assert_eq!(magic, "n+3\\x00"),
            other => panic!("{other}"),
        }
        let other_version = Nifti {
            magic: Some(if kind.version == Version::One {
                *b"n+2\0"
            } else {
                *b"n+1\0"
            }),
            ..kind
        };
        assert!(matches!(other_version.error(), Error::BadMagic { .. }));
    }
    let mut line_ends = Nifti::new(Version::Two, false).bytes();
    line_ends[8] = b'\n';
    assert!(matches!(
        Scan::from_bytes(&line_ends, "a", FourD::First),
        Err(Error::BadMagic { .. })
    ));
}

#[test]
fn missing_files_and_halves() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let error = |name: &str| Scan::read(at(name), FourD::First).unwrap_err();
    assert!(matches!(error("none.nii"), Error::Open { .. }));
    assert!(matches!(
        Scan::read(folder.path(), FourD::First),
        Err(Error::NotAFile { .. })
    ));

    let nifti = Nifti {
        pair: true,
        ..Nifti::new(Version::One, false)
    };
    fs::write(at("a.hdr"), nifti.header()).unwrap();
    fs::write(at("b.img"), nifti.image()).unwrap();
    fs::write(at("c.nii"), nifti.header()).unwrap();
    fs::write(at("d"), nifti.header()).unwrap();
    assert!(matches!(
        error("a.hdr"),
        Error::MissingHalf { missing: "img", .. }
    ));
    assert!(matches!(
        error("b.img"),
        Error::MissingHalf { missing: "hdr", .. }
    ));
    assert!(matches!(
        error("c.nii"),
        Error::MissingHalf { missing: "img", .. }
    ));
    assert!(matches!(
        error("d"),
        Error::MissingHalf { missing: "img", .. }
    ));
    assert!(matches!(
        Scan::from_bytes(&nifti.header(), "e", FourD::First),
        Err(Error::MissingHalf { missing: "img", .. })
    ));

    fs::write(at("a.img"), &nifti.image()[..100]).unwrap();
    match error("a.hdr") {
        Error::Truncated {
            path,
            needed: 120,
            found: 100,
        } => assert_eq!(path, at("a.img")),
        other => panic!("{other}"),
    }
}

#[test]
fn messages_are_one_line_that_begins_with_the_file() {
    let nifti = Nifti::new(Version::One, false);
    let overwritten = |edit: fn(&mut Nifti)| {
        let mut nifti = nifti.clone();
        edit(&mut nifti);
        nifti.error().to_string()
    };
    for (message, expected) in [
        (
            overwritten(|nifti| nifti.voxels.truncate(50)),
            "test.nii: truncated: 472 bytes needed, 452 found",
        ),
        (
            overwritten(|nifti| nifti.datatype = 128),
            "test.nii: voxels of type rgb24 (code 128) are not supported",
        ),
        (
            overwritten(|nifti| nifti.bitpix = 32),
            "test.nii: bitpix is 32 but int16 voxels have 16 bits",
        ),
        (
            overwritten(|nifti| nifti.dim[3] = 0),
            "test.nii: dim[3] is 0",
        ),
        (
            overwritten(|nifti| nifti.dim[0] = 2),
            "test.nii: 3 x 4 x 1 voxels are not a 3-D image",
        ),
        (
            overwritten(|nifti| nifti.magic = Some(*b"\n\0\xff1")),
            "test.nii: bad NIfTI magic \"\\\\n\\\\x00\\\\xff1\"",
        ),
    ] {
        assert_eq!(message, expected);
    }
}
