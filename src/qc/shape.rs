//! Size, form and place of a mask.

use ndarray::{Array3, Axis, Zip, s};
use rayon::prelude::*;

use super::sample::VOXEL_MM;
use crate::volume::Geometry;

/// How many voxels of a mask lie in every layer of the scan across each of its axes; not all 0.
pub(super) struct Layers([Vec<u64>; 3]);

impl Layers {
    /// `None` for an empty mask.
    pub fn of(mask: &Array3<u8>) -> Option<Layers> {
        let (columns, rows, slices) = mask.dim();
        let empty = || [vec![0; columns], vec![0; rows], vec![0; slices]];
        let count = |mut layers: [Vec<u64>; 3], k: usize| {
            for (j, row) in mask.index_axis(Axis(2), k).axis_iter(Axis(1)).enumerate() {
                let mut inside = 0;
                Zip::from(&mut layers[0][..])
                    .and(row)
                    .for_each(|layer, &voxel| {
                        let voxel = u64::from(voxel != 0);
                        *layer += voxel;
                        inside += voxel;
                    });
                layers[1][j] += inside;
                layers[2][k] += inside;
            }
            layers
        };
        let sum = |mut a: [Vec<u64>; 3], b: [Vec<u64>; 3]| {
            let pairs = a.iter_mut().flatten().zip(b.iter().flatten());
            pairs.for_each(|(a, b)| *a += b);
            a
        };
        let counts = (0..slices).into_par_iter().fold(empty, count);
        let layers = Layers(counts.reduce(empty, sum));
        (layers.voxels() > 0).then_some(layers)
    }

    fn voxels(&self) -> u64 {
        self.0[0].iter().sum()
    }

    /// Volume of the mask in mL.
    pub fn volume_ml(&self, geometry: &Geometry) -> f64 {
        self.voxels() as f64 * geometry.spacing.iter().product::<f64>() / 1000.0
    }

    /// Mean voxel index of the mask.
    pub fn centre(&self) -> [f64; 3] {
        let moment = |layers: &Vec<u64>| (0..).zip(layers).map(|(index, n)| index * n).sum::<u64>();
        [0, 1, 2].map(|axis| moment(&self.0[axis]) as f64 / self.voxels() as f64)
    }

    /// Distance in mm from the mask to the nearest face of the field of view.
    pub fn margin_mm(&self, geometry: &Geometry) -> f64 {
        let margins = self
            .0
            .iter()
            .zip(geometry.spacing)
            .map(|(layers, spacing)| {
                let before = layers.iter().take_while(|&&n| n == 0).count();
                let behind = layers.iter().rev().take_while(|&&n| n == 0).count();
                before.min(behind) as f64 * spacing
            });
        margins.fold(f64::INFINITY, f64::min)
    }

    /// Area in cm^2 with which the mask lies against the faces of the field of view: where the brain is
    /// cut.
    pub fn cut_cm2(&self, geometry: &Geometry) -> f64 {
        let voxel = geometry.spacing.iter().product::<f64>();
        let faces = self
            .0
            .iter()
            .zip(geometry.spacing)
            .map(|(layers, spacing)| {
                let faces = [layers.first(), layers.last()];
                faces.into_iter().flatten().sum::<u64>() as f64 * voxel / spacing
            });
        faces.sum::<f64>() / 100.0
    }
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
