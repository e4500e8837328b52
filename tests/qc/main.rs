//! The quality check: its parts on small volumes, the whole on real scans with something wrong with them.

#[path = "../common/mod.rs"]
mod common;
mod corrupt;
#[path = "../shared/mod.rs"]
mod shared;

use std::path::{Path, PathBuf};

use common::head;
use corrupt::{MASKS, SCANS, spoil_mask, spoil_scan};
use endocast::qc::{self, Certainty, Error, Quality};
use endocast::volume::{FourD, Scan, stem};
use endocast::{Extractor, Options, embedded_model};
use ndarray::{Array3, ShapeBuilder};

#[test]
fn certainty_counts_parts_and_measures_the_step() {
    // A block of 3 x 3 x 3 at 0.9 in 0.2, and a lone voxel of 0.6.
    let mut cube = Array3::from_elem([8, 8, 8], 0.2_f32);
    cube.slice_mut(ndarray::s![1..4, 1..4, 1..4]).fill(0.9);
    cube[[6, 6, 6]] = 0.6;
    let certainty = Certainty::new(cube.view(), 0.5).unwrap();
    assert_eq!(certainty.components, 2);
    assert!((certainty.largest_share - 27.0 / 28.0).abs() < 1e-12);
    assert!((certainty.border_step - 0.7).abs() < 1e-6);
    assert_eq!(Certainty::new(cube.view(), 0.95), None);
}

#[test]
fn an_unfit_mask_is_an_error() {
    let shape = [40, 44, 36];
    let scan = Scan::from_bytes(&head(shape).file(), "head.nii", FourD::First).unwrap();
    let empty = Array3::zeros(shape.f());
    assert!(matches!(
        qc::inspect(&scan, &empty, None),
        Err(Error::EmptyMask)
    ));
    let other = Array3::ones([40, 44, 35]);
    assert!(matches!(
        qc::inspect(&scan, &other, None),
        Err(Error::Shape { .. })
    ));
}

#[test]
fn a_phantom_is_measured() {
    let shape = [40, 44, 36];
    let scan = Scan::from_bytes(&head(shape).file(), "head.nii", FourD::First).unwrap();
    let (voxels, _) = scan.to_array();
    let mask = voxels.mapv(|value| u8::from(value > 500.0));
    let quality = qc::inspect(&scan, &mask, None).unwrap();
    let measure = |name: &str| {
        let mut measures = quality.measures.iter();
        measures
            .find(|measure| measure.name == name)
            .map(|measure| measure.value)
    };
    // A ball of 32 mm in a shell of 44 mm.
    let near = |name: &str, expected: f64, tolerance: f64| {
        let found = measure(name).unwrap();
        assert!((found - expected).abs() <= tolerance, "{name}: {found}");
    };
    near("volume_ml", 137.3, 2.0);
    near("width_mm", 64.0, 5.0);
    near("height_mm", 64.0, 5.0);
    near("symmetry", 1.0, 0.03);
    near("margin_mm", 22.0, 3.5);
    near("above_mm", 10.0, 2.6);
    assert_eq!(measure("cut_cm2"), Some(0.0));
    assert_eq!(measure("border_step"), None);
    // Far too small for a brain.
    assert_eq!(quality.score, 0.0);
    assert!(
        quality
            .warnings
            .iter()
            .any(|warning| warning.contains("volume_ml"))
    );
}

/// All real scans, or `None` where they are not at hand.
fn real_scans() -> Option<Vec<PathBuf>> {
    let entries = std::fs::read_dir(shared::shared("images")?).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    Some(paths)
}

fn extractor() -> Extractor {
    let options = Options {
        threads: 2,
        ..Options::default()
    };
    Extractor::new(embedded_model().unwrap(), &options).unwrap()
}

/// What the check says of one scan and of all ways to spoil it and its mask; no quality where no mask is
/// made at all.
fn inspect_all(
    extractor: &mut Extractor,
    path: &Path,
    kinds: &[&'static str],
) -> Vec<(&'static str, Option<Quality>)> {
    let good = Scan::read(path, FourD::First).unwrap();
    let extraction = extractor.extract(&good, false).unwrap();
    let certainty = &extraction.certainty;
    let quality = |scan: &Scan, mask: &Array3<u8>, certainty: &Option<Certainty>| {
        qc::inspect(scan, mask, certainty.as_ref()).ok()
    };
    let mut found = vec![("good", quality(&good, &extraction.mask, certainty))];
    for &kind in kinds {
        found.push(if MASKS.contains(&kind) {
            let mask = spoil_mask(kind, &extraction.mask, good.geometry());
            (kind, quality(&good, &mask, certainty))
        } else {
            let bad = spoil_scan(kind, &good, &extraction.mask);
            let made = extractor.extract(&bad, false).ok();
            (
                kind,
                made.and_then(|made| quality(&bad, &made.mask, &made.certainty)),
            )
        });
    }
    found
}

/// Whether a command would have said so.
fn is_caught(quality: &Option<Quality>) -> bool {
    quality.as_ref().is_none_or(Quality::is_suspicious)
}

/// What must be caught on every scan; see `docs/validation.md` for what is only often caught.
const CERTAIN: [&str; 10] = [
    "white noise",
    "phantom ball",
    "shifted out of view",
    "right half cut off",
    "top half cut off",
    "already stripped",
    "voxel sizes doubled",
    "voxel sizes halved",
    "CT-like",
    "right half missing",
];

#[test]
fn good_scans_pass_and_spoilt_ones_do_not() {
    let Some(paths) = real_scans() else { return };
    let mut extractor = extractor();
    for name in ["T1_ixi_IXI137-HH-1472", "T2_mni152_2mm"] {
        let path = paths.iter().find(|path| stem(path) == name).unwrap();
        for (kind, quality) in inspect_all(&mut extractor, path, &CERTAIN) {
            assert_eq!(
                is_caught(&quality),
                kind != "good",
                "{name}, {kind}: {quality:?}"
            );
        }
    }
}

/// Writes the tables of `docs/validation.md`:
/// `cargo test --release --test qc -- --ignored --nocapture`.
#[test]
#[ignore = "takes a quarter of an hour"]
fn calibration() {
    let Some(paths) = real_scans() else { return };
    let mut extractor = extractor();
    let kinds = [&SCANS[..], &MASKS].concat();
    let mut caught = vec![(0, 0); kinds.len()];
    let name = |path: &Path| stem(path).into_string().unwrap();
    let spoilt = paths
        .iter()
        .filter(|path| SPOILT.contains(&name(path).as_str()));
    let good = paths.iter().map(|path| (path, &[][..]));
    for (path, kinds_here) in good.chain(spoilt.map(|path| (path, &kinds[..]))) {
        let name = name(path);
        for (kind, quality) in inspect_all(&mut extractor, path, kinds_here) {
            let measures = quality.iter().flat_map(|quality| &quality.measures);
            let measures: Vec<_> = measures
                .map(|m| format!("{}={:.3}", m.name, m.value))
                .collect();
            println!(
                "{name}\t{kind}\t{}\t{}",
                is_caught(&quality),
                measures.join("\t")
            );
            if let Some(at) = kinds.iter().position(|&other| other == kind) {
                caught[at].0 += usize::from(is_caught(&quality));
                caught[at].1 += 1;
            } else if is_caught(&quality) {
                println!("flagged though good: {name}: {quality:?}");
            }
        }
    }
    for (kind, (caught, of)) in kinds.iter().zip(caught) {
        println!("| {kind} | {caught} of {of} |");
    }
}

/// The scans that the calibration spoils: one of every source.
const SPOILT: [&str; 8] = [
    "DWIb0_niivue",
    "EPI_allineate_fmri",
    "FLAIR_openms_p09_study2",
    "T1_infant_template_2mm",
    "T1_ixi_IXI137-HH-1472",
    "T1_mni152_1mm",
    "T1c_btp_03_pre",
    "T2_mni152_2mm",
];
