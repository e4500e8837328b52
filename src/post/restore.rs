//! From the network's cube back to the voxels of the scan.

use ndarray::{Array2, ArrayView3, Axis, Zip};
use rayon::prelude::*;

use super::Error;
use super::components::{Connectivity, keep_largest};
use super::error::check_shape;
use super::holes::fill_holes;
use crate::pre::affine::{self, Affine};
use crate::pre::resample::aligned_axes;
use crate::pre::tap::{Tap, trilinear};

/// A probability map on a grid of its own, and the scan it belongs to.
///
/// Probabilities are sampled by trilinear interpolation at the centre of every scan voxel; they
/// are 0 outside the outermost voxel faces of the grid.
pub struct Restore<'a> {
    probabilities: ArrayView3<'a, f32>,
    to_grid: Affine,
    shape: [usize; 3],
}

impl<'a> Restore<'a> {
    /// `grid_affine` maps indices of `probabilities` to RAS mm, `scan_affine` voxel indices of
    /// the scan of `shape` voxels.
    ///
    /// # Errors
    ///
    /// [`Error::SingularAffine`]; [`Error::Shape`] where an axis of either is empty.
    pub fn new(
        probabilities: ArrayView3<'a, f32>,
        grid_affine: &Affine,
        shape: [usize; 3],
        scan_affine: &Affine,
    ) -> Result<Restore<'a>, Error> {
        check_shape(probabilities.dim().into(), probabilities.len())?;
        let voxels = shape
            .iter()
            .try_fold(1_usize, |product, &n| product.checked_mul(n));
        check_shape(shape, voxels.unwrap_or(0))?;
        let from_mm = affine::invert(grid_affine).ok_or(Error::SingularAffine)?;
        affine::invert(scan_affine).ok_or(Error::SingularAffine)?;
        Ok(Restore {
            probabilities,
            to_grid: affine::compose(&from_mm, scan_affine),
            shape,
        })
    }

    /// The brain mask of the scan: 0 or 1 per voxel, first axis fastest.
    ///
    /// Voxels with a probability of at least `threshold`; of these the largest component
    /// (26 neighbours); its holes (background not joined to the border through faces) filled.
    ///
    /// # Errors
    ///
    /// [`Error::EmptyMask`] where no voxel reaches the threshold.
    pub fn mask(&self, threshold: f32) -> Result<Vec<u8>, Error> {
        let mut mask = vec![0; self.shape.iter().product()];
        let reach = self.reach(threshold).ok_or(Error::EmptyMask)?;
        self.for_each_slice(reach, &mut mask, |probability| {
            u8::from(probability >= threshold)
        });
        keep_largest(&mut mask, self.shape, Connectivity::Corners)?;
        fill_holes(&mut mask, self.shape)?;
        Ok(mask)
    }

    /// The probability of every voxel of the scan, first axis fastest.
    pub fn probabilities(&self) -> Vec<f32> {
        let mut map = vec![0.0; self.shape.iter().product()];
        self.for_each_slice(self.everywhere(), &mut map, |probability| probability);
        map
    }

    fn everywhere(&self) -> Reach {
        let length: [usize; 3] = self.probabilities.dim().into();
        length.map(|n| (0, n - 1))
    }

    /// The box of the grid voxels that reach a threshold. No mean of voxels outside it does, so
    /// that most of a scan need not be sampled.
    fn reach(&self, threshold: f32) -> Option<Reach> {
        if threshold <= 0.0 {
            return Some(self.everywhere());
        }
        let mut reach: Option<Reach> = None;
        for ((x, y, z), &probability) in self.probabilities.indexed_iter() {
            if probability >= threshold {
                let reach = reach.get_or_insert([(x, x), (y, y), (z, z)]);
                for (bounds, index) in reach.iter_mut().zip([x, y, z]) {
                    *bounds = (bounds.0.min(index), bounds.1.max(index));
                }
            }
        }
        reach
    }

    /// Fills `target` slice by slice with `convert` of the probabilities, which count as 0 where
    /// all neighbours on the grid are outside `reach`.
    fn for_each_slice<T: Send>(
        &self,
        reach: Reach,
        target: &mut [T],
        convert: impl Fn(f32) -> T + Sync,
    ) {
        let area = self.shape[0] * self.shape[1];
        let aligned = Aligned::new(self, reach);
        target.par_chunks_exact_mut(area).enumerate().for_each_init(
            || vec![0.0; area],
            |slice, (k, target)| {
                match &aligned {
                    Some(aligned) => aligned.sample_slice(k, slice),
                    None => self.sample_oblique_slice(reach, k, slice),
                }
                for (target, &probability) in target.iter_mut().zip(slice.iter()) {
                    *target = convert(probability);
                }
            },
        );
    }

    /// Interpolates every voxel from its eight neighbours.
    fn sample_oblique_slice(&self, reach: Reach, k: usize, slice: &mut [f32]) {
        let length: [usize; 3] = self.probabilities.dim().into();
        for (j, row) in slice.chunks_exact_mut(self.shape[0]).enumerate() {
            let start = affine::apply(&self.to_grid, [0.0, j as f64, k as f64]);
            for (i, value) in row.iter_mut().enumerate() {
                let taps = std::array::from_fn(|axis| {
                    let position = start[axis] + self.to_grid[axis][0] * i as f64;
                    tap(position, length[axis], reach[axis])
                });
                *value = if taps.iter().any(Tap::is_outside) {
                    0.0
                } else {
                    trilinear(taps, |x, y, z| self.probabilities[[x, y, z]])
                };
            }
        }
    }
}

/// First and last index along each axis of the grid.
type Reach = [(usize, usize); 3];

fn tap(position: f64, length: usize, (first, last): (usize, usize)) -> Tap {
    let tap = Tap::new(position, length);
    if tap.second < first || tap.first > last {
        Tap::OUTSIDE
    } else {
        tap
    }
}

/// A grid whose axes are parallel to the scan's: planes, then rows, then voxels are interpolated.
struct Aligned<'a> {
    /// Axes in the order of the scan's.
    probabilities: ArrayView3<'a, f32>,
    /// For every axis and every scan voxel along it.
    taps: [Vec<Tap>; 3],
}

impl<'a> Aligned<'a> {
    fn new(restore: &Restore<'a>, reach: Reach) -> Option<Aligned<'a>> {
        let scan_axes = aligned_axes(&restore.to_grid, restore.shape)?;
        let mut grid_axes = [0; 3];
        for (grid_axis, scan_axis) in scan_axes.into_iter().enumerate() {
            grid_axes[scan_axis] = grid_axis;
        }
        let probabilities = restore.probabilities.permuted_axes(grid_axes);
        let taps = std::array::from_fn(|axis| {
            let row = restore.to_grid[grid_axes[axis]];
            let length = probabilities.len_of(Axis(axis));
            (0..restore.shape[axis])
                .map(|n| {
                    tap(
                        row[axis] * n as f64 + row[3],
                        length,
                        reach[grid_axes[axis]],
                    )
                })
                .collect()
        });
        Some(Aligned {
            probabilities,
            taps,
        })
    }

    fn sample_slice(&self, k: usize, slice: &mut [f32]) {
        let [columns, rows, slices] = &self.taps;
        if slices[k].is_outside() {
            slice.fill(0.0);
            return;
        }
        let plane = self.plane(slices[k]);
        let mut line = vec![0.0; plane.len_of(Axis(1))];
        for (row, tap) in slice.chunks_exact_mut(columns.len()).zip(rows) {
            if tap.is_outside() {
                row.fill(0.0);
                continue;
            }
            let neighbours = plane.row(tap.first).into_iter().zip(plane.row(tap.second));
            for (value, (&a, &b)) in line.iter_mut().zip(neighbours) {
                *value = tap.mean(a, b);
            }
            for (value, tap) in row.iter_mut().zip(columns) {
                *value = tap.mean(line[tap.first], line[tap.second]);
            }
        }
    }

    /// The plane of the grid at one slice of the scan; the scan's first axis is fastest.
    fn plane(&self, tap: Tap) -> Array2<f32> {
        let [first, second] =
            [tap.first, tap.second].map(|n| self.probabilities.index_axis(Axis(2), n));
        let (columns, rows) = first.dim();
        let mut plane = Array2::zeros((rows, columns));
        Zip::from(plane.view_mut().reversed_axes())
            .and(first)
            .and(second)
            .for_each(|value, &a, &b| *value = tap.mean(a, b));
        plane
    }
}
