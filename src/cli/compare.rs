//! `endocast compare`: how well two masks agree.

use std::path::{Path, PathBuf};

use endocast::metrics::{overlap, surface_distances};
use endocast::volume::{FourD, Scan};

use super::replace::Replace;
use super::{Failure, json};

/// Command line of `compare`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Mask; every voxel that is not 0 counts
    mask: PathBuf,
    /// Reference mask on the same grid
    reference: PathBuf,
    /// Write the figures as JSON to a file, or to standard output for "-"
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    replace: Replace,
}

/// Prints or writes the figures.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (mask, scan) = read(&arguments.mask)?;
    let (reference, other) = read(&arguments.reference)?;
    let geometry = scan.geometry();
    if !geometry.is_same_grid(other.geometry()) {
        return Err(Failure::Input(format!(
            "{} and {} do not lie on the same voxel grid",
            arguments.mask.display(),
            arguments.reference.display(),
        )));
    }
    let failed = |cause: endocast::metrics::Error| Failure::input(&arguments.mask, cause);
    let counts = overlap(&mask, &reference, geometry.shape, geometry.spacing).map_err(failed)?;
    let surfaces =
        surface_distances(&mask, &reference, geometry.shape, geometry.spacing).map_err(failed)?;
    let figures = [
        ("dice", "", Some(counts.dice())),
        ("hd95_mm", "mm", surfaces.map(|surfaces| surfaces.hd95)),
        (
            "hd95_pooled_mm",
            "mm",
            surfaces.map(|surfaces| surfaces.hd95_pooled),
        ),
        (
            "hausdorff_mm",
            "mm",
            surfaces.map(|surfaces| surfaces.hausdorff),
        ),
        (
            "mean_surface_distance_mm",
            "mm",
            surfaces.map(|surfaces| surfaces.mean),
        ),
        ("sensitivity", "", counts.sensitivity()),
        ("specificity", "", counts.specificity()),
        ("volume_ml", "mL", Some(counts.volume_ml())),
        (
            "reference_volume_ml",
            "mL",
            Some(counts.reference_volume_ml()),
        ),
        ("volume_error", "", counts.volume_error()),
    ];
    if let Some(path) = &arguments.json {
        arguments.replace.check(path)?;
        let fields = figures.map(|(name, _, value)| (name, value.into()));
        return json::write(path, &json::object(fields));
    }
    for (name, unit, value) in figures {
        let name = name
            .trim_end_matches("_mm")
            .trim_end_matches("_ml")
            .replace('_', " ");
        match value {
            Some(value) => outln!("{name:24} {value:10.4} {unit}"),
            None => outln!("{name:24} undefined"),
        }
    }
    Ok(())
}

/// The voxels that are not 0, first axis fastest.
fn read(path: &Path) -> Result<(Vec<u8>, Scan), Failure> {
    let scan = Scan::read(path, FourD::First).map_err(|cause| Failure::Input(cause.to_string()))?;
    let (values, _) = scan.to_array();
    let mask = values
        .t()
        .iter()
        .map(|&value| u8::from(value != 0.0))
        .collect();
    Ok((mask, scan))
}
