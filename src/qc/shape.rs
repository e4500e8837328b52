//! Size, form and place of a mask.

use ndarray::{Array3, Axis, s};

use super::sample::VOXEL_MM;
use crate::volume::Geometry;

/// Volume in mL.
pub(super) fn volume_ml(mask: &Array3<u8>, geometry: &Geometry) -> f64 {
    let voxels = mask.iter().filter(|&&inside| inside != 0).count();
    voxels as f64 * geometry.spacing.iter().product::<f64>() / 1000.0
}

/// The smallest box around a mask.
pub(super) struct Box {
    first: [usize; 3],
    last: [usize; 3],
}

impl Box {
    /// `None` for an empty mask.
    pub fn of(mask: &Array3<u8>) -> Option<Box> {
        let mut bounds: Option<Box> = None;
        for ((i, j, k), &inside) in mask.indexed_iter() {
            if inside != 0 {
                let at = [i, j, k];
                let bounds = bounds.get_or_insert(Box {
                    first: at,
                    last: at,
                });
                bounds.first = std::array::from_fn(|axis| bounds.first[axis].min(at[axis]));
                bounds.last = std::array::from_fn(|axis| bounds.last[axis].max(at[axis]));
            }
        }
        bounds
    }

    /// Distance in mm from the mask to the nearest face of the field of view.
    pub fn margin_mm(&self, geometry: &Geometry) -> f64 {
        let margins = (0..3).map(|axis| {
            let voxels = self.first[axis].min(geometry.shape[axis] - 1 - self.last[axis]);
            voxels as f64 * geometry.spacing[axis]
        });
        margins.fold(f64::INFINITY, f64::min)
    }
}

/// Area in cm^2 with which the mask lies against the faces of the field of view: where the brain is cut.
pub(super) fn cut_cm2(mask: &Array3<u8>, geometry: &Geometry) -> f64 {
    let spacing = geometry.spacing;
    let area = |axis: usize| spacing.iter().product::<f64>() / spacing[axis];
    let faces = (0..3).flat_map(|axis| {
        let last = geometry.shape[axis] - 1;
        [0, last].map(|index| {
            let face = mask.index_axis(Axis(axis), index);
            face.iter().filter(|&&inside| inside != 0).count() as f64 * area(axis)
        })
    });
    faces.sum::<f64>() / 100.0
}

/// Lengths in mm of the box around a sampled mask; 0 for an empty one.
pub(super) fn extents_mm(mask: &Array3<bool>) -> [f64; 3] {
    [0, 1, 2].map(|axis| {
        let holds = |index: usize| mask.index_axis(Axis(axis), index).iter().any(|&m| m);
        let indices = (0..mask.len_of(Axis(axis))).filter(|&index| holds(index));
        let range = indices.fold(None, |range: Option<(usize, usize)>, index| {
            Some((range.map_or(index, |range| range.0), index))
        });
        range.map_or(0.0, |(first, last)| (last - first + 1) as f64 * VOXEL_MM)
    })
}

/// Dice of a sampled mask, which lies in the middle of its cube, and its mirror image, left for right.
pub(super) fn symmetry(mask: &Array3<bool>) -> Option<f64> {
    let mirrored = mask.slice(s![..;-1, .., ..]);
    let common = mask
        .iter()
        .zip(&mirrored)
        .filter(|&(&a, &b)| a && b)
        .count();
    let voxels = mask.iter().filter(|&&inside| inside).count();
    (voxels > 0).then(|| common as f64 / voxels as f64)
}

/// Voxels of a sampled mask in each layer across an axis, from the first to the last that holds any.
fn layers(mask: &Array3<bool>, axis: usize) -> Vec<usize> {
    let planes = mask.axis_iter(Axis(axis));
    let counts = planes.map(|plane| plane.iter().filter(|&&inside| inside).count());
    let mut layers: Vec<usize> = counts.skip_while(|&count| count == 0).collect();
    while layers.last() == Some(&0) {
        layers.pop();
    }
    layers
}

/// Of the six sides of a sampled mask the flattest: the area one voxel below its surface over that of the
/// largest layer across the same axis. Near 1 where the brain is cut off.
pub(super) fn flatness(mask: &Array3<bool>) -> Option<f64> {
    let sides = (0..3).filter_map(|axis| {
        let layers = layers(mask, axis);
        let largest = *layers.iter().max()?;
        let side = *layers.get(1)?.max(&layers[layers.len() - 2]);
        Some(side as f64 / largest as f64)
    });
    sides.max_by(f64::total_cmp)
}

/// Area of a sampled mask at a quarter of its height over that at three quarters.
pub(super) fn taper(mask: &Array3<bool>) -> Option<f64> {
    let layers = layers(mask, 2);
    let [low, high] = [1, 3].map(|quarter| layers.get(layers.len() * quarter / 4));
    Some(*low? as f64 / *high? as f64)
}
