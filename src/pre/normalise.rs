//! BrainMaGe's intensity scale.

use super::Error;
use super::quantile::percentile;

/// The intensities that BrainMaGe maps an image with: `(min(x, high) - low) / high`.
///
/// Low values are not clipped, and a background of 0 becomes `-low / high`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ForegroundScale {
    /// 2nd percentile of the voxels that are at or above the mean.
    pub low: f64,
    /// 95th percentile of the same voxels.
    pub high: f64,
}

impl ForegroundScale {
    /// Measures an image, given as its `f64` values in any order.
    ///
    /// # Errors
    ///
    /// [`Error::IntensityScale`] where `high` is not positive: the original would divide by zero
    /// or turn the image upside down.
    pub fn measure(values: impl Iterator<Item = f64> + Clone) -> Result<ForegroundScale, Error> {
        let (sum, count) = values
            .clone()
            .fold((0.0, 0_u64), |(sum, count), v| (sum + v, count + 1));
        let mean = sum / count as f64;
        let mut foreground: Vec<f64> = values.filter(|&v| v >= mean).collect();
        let low = percentile(&mut foreground, 2.0).unwrap_or(0.0);
        let high = percentile(&mut foreground, 95.0).unwrap_or(0.0);
        if high > 0.0 {
            Ok(ForegroundScale { low, high })
        } else {
            Err(Error::IntensityScale(high))
        }
    }

    /// The normalised value of an intensity.
    pub fn apply(&self, value: f64) -> f64 {
        (value.min(self.high) - self.low) / self.high
    }
}
