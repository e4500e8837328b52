//! What a scan shows inside and around a mask.

use ndarray::{Array3, Axis, Zip};

use super::sample::{Sample, VOXEL_MM};
use crate::post::distance::squared_to_centres;
use crate::pre::quantile::percentile;

/// Distance from a mask's border within which neither side is certain.
const BORDER_MM: f32 = 5.0;

/// Least share of the brain's brightness that counts as tissue.
const TISSUE: f32 = 0.15;

/// Least voxels of a sampled mask whose intensities mean anything.
const ENOUGH: usize = 100;

/// Least share of the fullest layer's tissue that the head's highest layer holds.
const CROWN_SHARE: f64 = 0.05;

/// Air and brain in Hounsfield units: real values of computed tomography.
const HOUNSFIELD_AIR: f32 = -500.0;
const HOUNSFIELD_BRAIN: std::ops::Range<f32> = -100.0..150.0;

/// Intensities of a scan against a mask.
pub(super) struct Intensities {
    /// 10th to 90th percentile in the brain over the median's distance from the background.
    pub contrast: f64,
    /// Mean squared difference of neighbours in the brain over twice the variance, along the smoothest
    /// axis: 1 for white noise.
    pub roughness: f64,
    /// Volume of tissue farther than [`BORDER_MM`] from the mask, in mL.
    pub outside_ml: f64,
    /// From the top of the mask to the top of the head, in mm.
    pub above_mm: f64,
    /// Whether the values are those of computed tomography.
    pub hounsfield: bool,
    /// Share of brain-like values in the layer outside the mask.
    pub shell: f64,
    /// Share of brain-like values in the layer inside the border.
    pub rim: f64,
}

impl Intensities {
    /// `None` for a mask too small to tell.
    pub fn new(sample: &Sample) -> Option<Intensities> {
        let Sample { image, mask } = sample;
        let to_mask = squared_to_centres(mask.view(), [VOXEL_MM; 3]);
        let to_outside = squared_to_centres(mask.mapv(|inside| !inside).view(), [VOXEL_MM; 3]);
        let deep = select(image, |index| to_outside[index] > BORDER_MM * BORDER_MM);
        let mut brain = if deep.len() < ENOUGH {
            select(image, |index| mask[index])
        } else {
            deep
        };
        if brain.len() < ENOUGH {
            return None;
        }
        let mut all: Vec<f32> = image.iter().copied().filter(|v| !v.is_nan()).collect();
        let background = percentile(&mut all, 1.0)? as f32;
        let [low, middle, high] =
            [10.0, 50.0, 90.0].map(|percent| percentile(&mut brain, percent).map(|v| v as f32));
        let (low, middle, high) = (low?, middle?, high?);
        let brightness = (middle - background).abs();
        let is_tissue = |index: [usize; 3]| (image[index] - background).abs() > TISSUE * brightness;
        let outside = image.indexed_iter().filter(|&((x, y, z), _)| {
            to_mask[[x, y, z]] > BORDER_MM * BORDER_MM && is_tissue([x, y, z])
        });
        let alike = |near: &Array3<f32>, within: f32| {
            let layer = select(image, |index| {
                near[index] > 0.0 && near[index] <= within * within
            });
            let like = layer
                .iter()
                .filter(|value| (low..=high).contains(value))
                .count();
            like as f64 / layer.len().max(1) as f64
        };
        Some(Intensities {
            contrast: f64::from((high - low) / brightness),
            roughness: roughness(sample),
            outside_ml: outside.count() as f64 * VOXEL_MM.powi(3) / 1000.0,
            above_mm: above_mm(mask, is_tissue),
            hounsfield: background < HOUNSFIELD_AIR && HOUNSFIELD_BRAIN.contains(&middle),
            shell: alike(&to_mask, BORDER_MM),
            rim: alike(&to_outside, BORDER_MM),
        })
    }
}

/// The values at the chosen indices that are inside the scan.
fn select(image: &Array3<f32>, chosen: impl Fn([usize; 3]) -> bool) -> Vec<f32> {
    let inside = image
        .indexed_iter()
        .filter(|&((x, y, z), v)| !v.is_nan() && chosen([x, y, z]));
    inside.map(|(_, &value)| value).collect()
}

fn roughness(sample: &Sample) -> f64 {
    let Sample { image, mask } = sample;
    let values = select(image, |index| mask[index]);
    let count = values.len() as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    let variance = values
        .iter()
        .map(|&v| (f64::from(v) - mean).powi(2))
        .sum::<f64>()
        / count;
    let along = |axis: usize| {
        let (mut sum, mut pairs) = (0.0, 0_u64);
        let lanes = image.lanes(Axis(axis));
        Zip::from(lanes)
            .and(mask.lanes(Axis(axis)))
            .for_each(|values, inside| {
                for index in 1..values.len() {
                    let step = f64::from(values[index] - values[index - 1]);
                    if inside[index] && inside[index - 1] && step.is_finite() {
                        sum += step * step;
                        pairs += 1;
                    }
                }
            });
        sum / pairs as f64 / (2.0 * variance)
    };
    (0..3).map(along).fold(f64::INFINITY, f64::min)
}

/// Height in mm of the head above the mask.
fn above_mm(mask: &Array3<bool>, is_tissue: impl Fn([usize; 3]) -> bool) -> f64 {
    let mut layers = vec![0_u64; mask.len_of(Axis(2))];
    let mut top = 0;
    for ((x, y, z), &inside) in mask.indexed_iter() {
        layers[z] += u64::from(is_tissue([x, y, z]));
        top = if inside { top.max(z) } else { top };
    }
    let fullest = layers.iter().copied().max().unwrap_or(0) as f64;
    let crown = layers
        .iter()
        .rposition(|&count| count as f64 >= CROWN_SHARE * fullest);
    (crown.unwrap_or(0) as f64 - top as f64) * VOXEL_MM
}
