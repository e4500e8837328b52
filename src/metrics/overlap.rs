//! Agreement by counting voxels.

use super::Error;
use super::error::check;

/// Voxel counts of a mask against a reference, and the volume of a voxel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Overlap {
    /// Voxels in both.
    pub true_positive: u64,
    /// Voxels in the mask only.
    pub false_positive: u64,
    /// Voxels in the reference only.
    pub false_negative: u64,
    /// Voxels in neither.
    pub true_negative: u64,
    /// Volume of one voxel in mL.
    pub voxel_ml: f64,
}

/// Counts the voxels of `mask` against `reference`; `spacing` is the voxel size in mm.
///
/// # Errors
///
/// [`Error::Shape`], [`Error::Spacing`].
pub fn overlap(
    mask: &[u8],
    reference: &[u8],
    shape: [usize; 3],
    spacing: [f64; 3],
) -> Result<Overlap, Error> {
    check(mask, reference, shape, spacing)?;
    let mut counts = [[0_u64; 2]; 2];
    for (&found, &expected) in mask.iter().zip(reference) {
        counts[usize::from(found != 0)][usize::from(expected != 0)] += 1;
    }
    let [
        [true_negative, false_negative],
        [false_positive, true_positive],
    ] = counts;
    let voxel_ml = spacing.iter().product::<f64>() / 1000.0;
    Ok(Overlap {
        true_positive,
        false_positive,
        false_negative,
        true_negative,
        voxel_ml,
    })
}

impl Overlap {
    /// Twice the common volume over the sum of the volumes; 1 where both masks are empty.
    pub fn dice(&self) -> f64 {
        let sum = 2 * self.true_positive + self.false_positive + self.false_negative;
        ratio(2 * self.true_positive, sum).unwrap_or(1.0)
    }

    /// Share of the reference that was found; `None` where the reference is empty.
    pub fn sensitivity(&self) -> Option<f64> {
        ratio(self.true_positive, self.true_positive + self.false_negative)
    }

    /// Share of the reference's background that was left out; `None` where there is none.
    pub fn specificity(&self) -> Option<f64> {
        ratio(self.true_negative, self.true_negative + self.false_positive)
    }

    /// Volume of the mask in mL.
    pub fn volume_ml(&self) -> f64 {
        (self.true_positive + self.false_positive) as f64 * self.voxel_ml
    }

    /// Volume of the reference in mL.
    pub fn reference_volume_ml(&self) -> f64 {
        (self.true_positive + self.false_negative) as f64 * self.voxel_ml
    }

    /// Volume of the mask minus that of the reference, over that of the reference; `None` where
    /// the reference is empty.
    pub fn volume_error(&self) -> Option<f64> {
        let reference = self.reference_volume_ml();
        (reference > 0.0).then(|| (self.volume_ml() - reference) / reference)
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
