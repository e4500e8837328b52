//! Runs a study.

use std::path::Path;
use std::time::Instant;

use ndarray::Array3;

use super::report::COLOURS;
use super::speed::{self, Timing};
use super::{Case, External, Reference, Row, Score, Study, Variant};
use crate::extract::Error;
use crate::picture::{GREEN, Outline, Picture};
use crate::qc::{self, Certainty};
use crate::volume::{FourD, Scan};
use crate::{Extraction, Extractor};

/// Edge of a picture's pixel.
const PIXEL_MM: f64 = 1.0;

/// How to run a study.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Threads for the masks.
    pub threads: usize,
    /// What to time, if anything.
    pub timing: Option<Timing>,
    /// Whether to draw the masks.
    pub pictures: bool,
}

/// Scores the masks of every variant and every other engine on every case, and times the variants on the
/// first scan that can be read. `progress` is told what is going on.
pub fn run(
    cases: Vec<Case>,
    variants: &[Variant],
    externals: &[External],
    settings: Settings,
    mut progress: impl FnMut(&str),
) -> Study {
    let mut extractors: Vec<Result<Extractor, String>> = variants
        .iter()
        .map(|variant| (variant.build)(settings.threads))
        .collect();
    let names = variants.iter().map(|variant| &variant.name);
    let names = names.chain(externals.iter().map(|external| &external.name));
    let mut study = Study {
        columns: names.cloned().collect(),
        rows: Vec::new(),
        speeds: Vec::new(),
        pictures: Vec::new(),
        cases: Vec::new(),
    };
    study.rows.resize_with(study.columns.len(), Vec::new);
    let count = cases.len();
    for (index, case) in cases.into_iter().enumerate() {
        progress(&format!("{}/{count} {}", index + 1, case.name));
        let (rows, picture) = score(&case, &mut extractors, externals, settings.pictures);
        study
            .rows
            .iter_mut()
            .zip(rows)
            .for_each(|(column, row)| column.push(row));
        study.pictures.push(picture);
        study.cases.push(case);
    }
    drop(extractors);
    if let Some(timing) = settings.timing {
        let scan = study
            .cases
            .iter()
            .find_map(|case| Scan::read(&case.scan, FourD::First).ok());
        for variant in variants {
            progress(&format!("timing {}", variant.name));
            let scan = scan
                .as_ref()
                .ok_or_else(|| "no scan can be read".to_string());
            study
                .speeds
                .push(scan.and_then(|scan| speed::measure(variant, scan, timing)));
        }
    }
    study
}

type Scored = (Vec<Result<Row, String>>, Option<Vec<u8>>);

/// One row per column, and the picture.
fn score(
    case: &Case,
    extractors: &mut [Result<Extractor, String>],
    externals: &[External],
    picture: bool,
) -> Scored {
    let (scan, reference) = match read(case) {
        Ok(pair) => pair,
        Err(cause) => {
            let columns = extractors.len() + externals.len();
            return (vec![Err(cause); columns], None);
        }
    };
    let ours = extractors.iter_mut().map(|extractor| {
        let start = Instant::now();
        let extractor = extractor.as_mut().map_err(|cause| cause.clone())?;
        let extraction = extract(extractor, &scan, case.reference);
        let Extraction {
            mask, certainty, ..
        } = extraction.map_err(|cause| cause.to_string())?;
        Ok((mask, certainty, Some(start.elapsed().as_secs_f64())))
    });
    let theirs = externals.iter().map(|external| {
        let path = ["nii.gz", "nii", "hdr"]
            .map(|suffix| external.folder.join(format!("{}.{suffix}", case.name)))
            .into_iter()
            .find(|path| path.is_file());
        let folder = external.folder.display();
        let path = path.ok_or_else(|| format!("{folder}: no mask for {}", case.name))?;
        Ok((mask_on(&scan, &path)?, None, None))
    });
    type Made = Result<(Array3<u8>, Option<Certainty>, Option<f64>), String>;
    let made: Vec<Made> = ours.chain(theirs).collect();

    let drawn = picture.then(|| {
        draw(
            &scan,
            &reference,
            made.iter().map(|made| made.as_ref().ok()),
        )
    });
    let rows = made.into_iter().map(|made| {
        let (mask, certainty, seconds) = made?;
        let score = Score::new(&mask, &reference, scan.geometry());
        let quality = qc::inspect(&scan, &mask, certainty.as_ref());
        Ok(Row {
            score: score.map_err(|cause| cause.to_string())?,
            quality: quality.ok().map(|quality| quality.score),
            seconds,
        })
    });
    (rows.collect(), drawn.flatten())
}

/// The mask that is meant by `reference`; of a model without tissue output, that of the brain.
fn extract(
    extractor: &mut Extractor,
    scan: &Scan,
    reference: Reference,
) -> Result<Extraction, Error> {
    if extractor.choose(reference.output()).is_err() {
        extractor.choose(Reference::Full.output())?;
    }
    extractor.extract(scan, false)
}

fn read(case: &Case) -> Result<(Scan, Array3<u8>), String> {
    let scan = Scan::read(&case.scan, FourD::First).map_err(|cause| cause.to_string())?;
    let reference = mask_on(&scan, &case.mask)?;
    Ok((scan, reference))
}

/// The mask in a file, 0 and 1, which must lie on the scan's grid.
fn mask_on(scan: &Scan, path: &Path) -> Result<Array3<u8>, String> {
    let mask = Scan::read(path, FourD::First).map_err(|cause| cause.to_string())?;
    if !mask.geometry().is_same_grid(scan.geometry()) {
        return Err(format!("{}: not on the scan's voxel grid", path.display()));
    }
    Ok(mask.to_array().0.mapv(|value| u8::from(value != 0.0)))
}

/// The scan with the reference and the masks of all columns, as a PNG file.
fn draw<'a>(
    scan: &Scan,
    reference: &'a Array3<u8>,
    masks: impl Iterator<Item = Option<&'a (Array3<u8>, Option<Certainty>, Option<f64>)>>,
) -> Option<Vec<u8>> {
    let mut outlines = vec![Outline {
        mask: reference,
        colour: GREEN,
    }];
    for (made, &colour) in masks.zip(COLOURS.iter().cycle()) {
        outlines.extend(made.map(|(mask, ..)| Outline { mask, colour }));
    }
    let picture = Picture::three_planes(scan, &outlines, PIXEL_MM).ok()?;
    let mut file = Vec::new();
    picture.write_png(&mut file).ok()?;
    Some(file)
}
