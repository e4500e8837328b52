//! One mask against its reference.

use ndarray::Array3;

use super::statistics::Worst;
use crate::metrics::{self, overlap, surface_distances};
use crate::volume::Geometry;

/// What a mask is scored on; see [`crate::metrics`] for the definitions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Score {
    /// Overlap, 0 to 1.
    pub dice: f64,
    /// 95th percentile of surface distances in mm, the larger of both directions; `None` where one of the
    /// masks is empty.
    pub hd95_mm: Option<f64>,
    /// Mean surface distance in mm; `None` where one of the masks is empty.
    pub mean_distance_mm: Option<f64>,
    /// Share of the reference that was found.
    pub sensitivity: Option<f64>,
    /// Share of the background that was left out.
    pub specificity: Option<f64>,
    /// Volume of the mask in mL.
    pub volume_ml: f64,
    /// Volume of the reference in mL.
    pub reference_ml: f64,
    /// Difference of the volumes over the reference's.
    pub volume_error: Option<f64>,
}

/// One of the figures that are summarised.
pub struct Figure {
    /// Column name, with unit.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// Decimals worth showing.
    pub decimals: usize,
    /// Which end is bad.
    pub worst: Worst,
    /// Its value.
    pub of: fn(&Score) -> Option<f64>,
}

/// The figures, in the order of all tables.
pub const FIGURES: [Figure; 6] = [
    Figure {
        name: "dice",
        title: "Dice",
        decimals: 4,
        worst: Worst::Lowest,
        of: |score| Some(score.dice),
    },
    Figure {
        name: "hd95_mm",
        title: "HD95, mm",
        decimals: 2,
        worst: Worst::Highest,
        of: |score| score.hd95_mm,
    },
    Figure {
        name: "mean_distance_mm",
        title: "Mean surface distance, mm",
        decimals: 2,
        worst: Worst::Highest,
        of: |score| score.mean_distance_mm,
    },
    Figure {
        name: "sensitivity",
        title: "Sensitivity",
        decimals: 4,
        worst: Worst::Lowest,
        of: |score| score.sensitivity,
    },
    Figure {
        name: "specificity",
        title: "Specificity",
        decimals: 4,
        worst: Worst::Lowest,
        of: |score| score.specificity,
    },
    Figure {
        name: "volume_error",
        title: "Volume error",
        decimals: 4,
        worst: Worst::FarthestFromZero,
        of: |score| score.volume_error,
    },
];

impl Score {
    /// Scores `mask` against `reference`, both of the grid's shape.
    ///
    /// # Errors
    /// Masks of another shape.
    pub fn new(
        mask: &Array3<u8>,
        reference: &Array3<u8>,
        geometry: &Geometry,
    ) -> Result<Score, metrics::Error> {
        let [found, expected] =
            [mask, reference].map(|m| m.t().iter().copied().collect::<Vec<u8>>());
        let (shape, spacing) = (geometry.shape, geometry.spacing);
        let counts = overlap(&found, &expected, shape, spacing)?;
        let surfaces = surface_distances(&found, &expected, shape, spacing)?;
        Ok(Score {
            dice: counts.dice(),
            hd95_mm: surfaces.map(|surfaces| surfaces.hd95),
            mean_distance_mm: surfaces.map(|surfaces| surfaces.mean),
            sensitivity: counts.sensitivity(),
            specificity: counts.specificity(),
            volume_ml: counts.volume_ml(),
            reference_ml: counts.reference_volume_ml(),
            volume_error: counts.volume_error(),
        })
    }
}
