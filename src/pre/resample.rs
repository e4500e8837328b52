//! Sampling an image at the voxel centres of another grid.
//!
//! Along each axis of the source, a target voxel is a weighted mean of source voxels, with
//! weights that fall linearly from its centre to zero at `max(1, step)` source voxels, `step`
//! being the size of a target voxel in source voxels along that axis. For small target voxels
//! this is trilinear interpolation; larger ones average over their own extent, so that fine
//! detail does not alias. Weights that would fall outside the source go to its edge voxels.
//! A target voxel whose centre is outside the source's field of view (its outermost voxel
//! faces) is `NaN`.

use ndarray::{Array3, Axis, ShapeBuilder};
use rayon::prelude::*;

use super::affine::{self, Affine};
use super::image::{Image, Voxel};
use super::lines::map_lines;
use super::tap::{Tap, trilinear};

/// Source voxels that a grid's far corner may be off for its axes to count as aligned.
const ALIGNED: f64 = 1e-3;

/// Samples `image` on a grid of `shape` voxels; `to_source` maps grid indices to source indices.
///
/// The last axis of the result is fastest.
pub(crate) fn resample<T: Voxel>(
    image: &Image<T>,
    to_source: &Affine,
    shape: [usize; 3],
) -> Array3<f32> {
    match aligned_axes(to_source, shape) {
        Some(grid_axes) => resample_aligned(image, to_source, shape, grid_axes),
        None => resample_oblique(image, to_source, shape),
    }
}

/// For every row of `map` the only column that matters over a grid of `shape` voxels, if there
/// is one such column per row.
pub(crate) fn aligned_axes(map: &Affine, shape: [usize; 3]) -> Option<[usize; 3]> {
    let reach = |row: &[f64; 4], column: usize| row[column].abs() * shape[column] as f64;
    let mut axes = [0; 3];
    for (axis, row) in axes.iter_mut().zip(map) {
        *axis = (0..3).max_by(|&a, &b| row[a].abs().total_cmp(&row[b].abs()))?;
        let other: f64 = (0..3).filter(|c| c != axis).map(|c| reach(row, c)).sum();
        if other > ALIGNED {
            return None;
        }
    }
    (axes[0] != axes[1] && axes[1] != axes[2] && axes[2] != axes[0]).then_some(axes)
}

/// Weights of one target position along one source axis.
struct Tent {
    first: usize,
    weights: Vec<f32>,
}

impl Tent {
    fn empty() -> Tent {
        Tent {
            first: 0,
            weights: Vec::new(),
        }
    }

    /// Sets the weights for `position` on an axis of `length` voxels, or reports that it is
    /// outside the field of view.
    fn place(&mut self, position: f64, radius: f64, length: usize) -> bool {
        let last = (length - 1) as f64;
        if !(-0.5..=last + 0.5).contains(&position) {
            return false;
        }
        // Casts to integers round towards zero and saturate; no rounding functions are needed.
        let low = (position - radius).max(0.0);
        let first = low as usize;
        self.first = first + usize::from((first as f64) < low);
        let end = ((position + radius) as usize).min(length - 1);
        self.weights.clear();
        let weight = |index: usize| 1.0 - (index as f64 - position).abs() / radius;
        self.weights
            .extend((self.first..=end).map(|index| weight(index) as f32));
        let sum: f32 = self.weights.iter().sum();
        self.weights.iter_mut().for_each(|w| *w /= sum);
        true
    }
}

/// One axis at a time; rows and columns of a source slice together, so that no more than the slice is kept
/// between them.
fn resample_aligned<T: Voxel>(
    image: &Image<T>,
    to_source: &Affine,
    shape: [usize; 3],
    grid_axes: [usize; 3],
) -> Array3<f32> {
    let tents: [Vec<Option<Tent>>; 3] = std::array::from_fn(|axis| {
        let step = to_source[axis][grid_axes[axis]];
        (0..shape[grid_axes[axis]])
            .map(|index| {
                let position = step * index as f64 + to_source[axis][3];
                let mut tent = Tent::empty();
                tent.place(position, step.abs().max(1.0), image.shape()[axis])
                    .then_some(tent)
            })
            .collect()
    });
    let [columns, rows, slices] = &tents;
    let [ni, nj, nk] = image.shape();
    let mut planes = Array3::zeros([columns.len(), rows.len(), nk].f());
    let area = columns.len() * rows.len();
    let source = image.flat().par_chunks_exact(ni * nj);
    let target = planes.as_slice_memory_order_mut().unwrap_or_default();
    source.zip(target.par_chunks_exact_mut(area)).for_each_init(
        || (vec![0.0; ni * nj], vec![0.0; ni * rows.len()]),
        |(values, low), (source, target)| {
            for (value, &voxel) in values.iter_mut().zip(source) {
                *value = image.value(voxel) as f32;
            }
            average_lines(rows, values, low);
            let lines = low.chunks_exact(ni);
            for (low, target) in lines.zip(target.chunks_exact_mut(columns.len())) {
                average_line(columns, low, target);
            }
        },
    );
    let mut grid = Array3::zeros(shape);
    let target = grid.view_mut().permuted_axes(grid_axes);
    map_lines(planes.view(), target, 2, |from, to| {
        average_line(slices, from, to)
    });
    grid
}

/// One value for each of `tents`: the weighted mean of its part of `from`.
fn average_line(tents: &[Option<Tent>], from: &[f32], to: &mut [f32]) {
    for (to, tent) in to.iter_mut().zip(tents) {
        *to = match tent {
            Some(tent) => {
                let from = from[tent.first..].iter();
                let products = from
                    .zip(&tent.weights)
                    .map(|(value, weight)| value * weight);
                products.sum()
            }
            None => f32::NAN,
        };
    }
}

/// One line of `to` for each of `tents`: the weighted mean of its part of the lines of `from`.
fn average_lines(tents: &[Option<Tent>], from: &[f32], to: &mut [f32]) {
    let length = to.len() / tents.len();
    for (to, tent) in to.chunks_exact_mut(length).zip(tents) {
        let Some(tent) = tent else {
            to.fill(f32::NAN);
            continue;
        };
        to.fill(0.0);
        let lines = from[tent.first * length..].chunks_exact(length);
        for (from, weight) in lines.zip(&tent.weights) {
            for (sum, value) in to.iter_mut().zip(from) {
                *sum += value * weight;
            }
        }
    }
}

/// One target voxel at a time.
fn resample_oblique<T: Voxel>(
    image: &Image<T>,
    to_source: &Affine,
    shape: [usize; 3],
) -> Array3<f32> {
    let length = image.shape();
    let step = to_source.map(|row| row[..3].iter().map(|m| m * m).sum::<f64>().sqrt());
    let is_fine = step.iter().all(|&step| step < 1.0 + 1e-6);
    let radius = step.map(|step| step.max(1.0));
    let mut grid = Array3::from_elem(shape, f32::NAN);
    let planes: Vec<_> = grid.axis_iter_mut(Axis(0)).collect();
    planes
        .into_par_iter()
        .enumerate()
        .for_each(|(a, mut plane)| {
            let mut tents = [Tent::empty(), Tent::empty(), Tent::empty()];
            for ((b, c), value) in plane.indexed_iter_mut() {
                let position = affine::apply(to_source, [a as f64, b as f64, c as f64]);
                if is_fine {
                    *value = interpolated(image, position);
                } else if (0..3)
                    .all(|axis| tents[axis].place(position[axis], radius[axis], length[axis]))
                {
                    *value = weighted_mean(image, &tents);
                }
            }
        });
    grid
}

/// `NaN` outside the field of view.
fn interpolated<T: Voxel>(image: &Image<T>, position: [f64; 3]) -> f32 {
    let [ni, nj, nk] = image.shape();
    let taps = [
        Tap::new(position[0], ni),
        Tap::new(position[1], nj),
        Tap::new(position[2], nk),
    ];
    if taps.iter().any(Tap::is_outside) {
        return f32::NAN;
    }
    let voxels = image.flat();
    trilinear(taps, |i, j, k| {
        image.value(voxels[i + ni * (j + nj * k)]) as f32
    })
}

fn weighted_mean<T: Voxel>(image: &Image<T>, tents: &[Tent; 3]) -> f32 {
    let [ti, tj, tk] = tents;
    let [ni, nj, _] = image.shape();
    let mut sum = 0.0;
    for (k, wk) in (tk.first..).zip(&tk.weights) {
        for (j, wj) in (tj.first..).zip(&tj.weights) {
            let row = &image.flat()[ti.first + ni * (j + nj * k)..];
            let values = row.iter().map(|&voxel| image.value(voxel) as f32);
            let mean: f32 = values
                .zip(&ti.weights)
                .map(|(value, weight)| value * weight)
                .sum();
            sum += wk * wj * mean;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speckled(shape: [usize; 3]) -> Vec<u8> {
        (0..shape.iter().product())
            .map(|n: usize| ((n * 2_654_435_761) >> 7) as u8)
            .collect()
    }

    /// The two ways to resample agree, for finer and coarser grids that reach outside.
    #[test]
    fn aligned_and_oblique_agree() {
        let shape = [21, 13, 17];
        let voxels = speckled(shape);
        let image = Image::new(&voxels, shape, 2.0, -3.0).unwrap();
        let maps = [
            [
                [0.7, 0.0, 0.0, -1.3],
                [0.0, 0.4, 0.0, 2.0],
                [0.0, 0.0, 1.0, 0.0],
            ],
            [
                [0.0, 0.0, 2.3, -4.0],
                [-1.7, 0.0, 0.0, 14.0],
                [0.0, 0.25, 0.0, -0.6],
            ],
            [
                [0.0, -3.1, 0.0, 25.0],
                [0.0, 0.0, 1.1, -2.0],
                [5.0, 0.0, 0.0, -3.0],
            ],
        ];
        for map in maps {
            let grid = [9, 10, 11];
            let axes = aligned_axes(&map, grid).unwrap();
            let aligned = resample_aligned(&image, &map, grid, axes);
            let oblique = resample_oblique(&image, &map, grid);
            assert!(aligned.iter().any(|v| v.is_nan()) && aligned.iter().any(|v| !v.is_nan()));
            for (a, b) in aligned.iter().zip(&oblique) {
                assert!(
                    (a.is_nan() && b.is_nan()) || (a - b).abs() < 1e-3,
                    "{a} {b}"
                );
            }
        }
    }

    #[test]
    fn a_small_turn_is_not_aligned() {
        let mut map = [
            [1.0, 0.0, 0.0, 0.0],
            [0.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0],
        ];
        map[0][2] = 1e-7;
        assert_eq!(aligned_axes(&map, [256; 3]), Some([0, 1, 2]));
        map[0][2] = 1e-5;
        assert_eq!(aligned_axes(&map, [256; 3]), None);
    }

    /// Detail finer than the target voxels averages out instead of aliasing.
    #[test]
    fn a_fine_pattern_averages_out() {
        let shape = [64, 4, 4];
        let voxels: Vec<u8> = (0..64 * 16)
            .map(|n| if n % 2 == 0 { 200 } else { 0 })
            .collect();
        let image = Image::new(&voxels, shape, 1.0, 0.0).unwrap();
        let map = [
            [4.0, 0.0, 0.0, 1.5],
            [0.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0],
        ];
        for value in resample(&image, &map, [16, 4, 4]) {
            assert!((value - 100.0).abs() < 8.0, "{value}");
        }
    }

    #[test]
    fn one_voxel_thick_images_work() {
        let voxels = [1_i16, 2, 3, 4];
        let image = Image::new(&voxels, [2, 2, 1], 1.0, 0.0).unwrap();
        let map = [
            [1.0, 0.0, 0.0, 0.0],
            [0.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 0.5, -0.25],
        ];
        let grid = resample(&image, &map, [2, 2, 2]);
        assert_eq!(
            grid.into_raw_vec_and_offset().0,
            [1.0, 1.0, 3.0, 3.0, 2.0, 2.0, 4.0, 4.0]
        );
    }
}
