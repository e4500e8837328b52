//! Distances between the surfaces of two masks.
//!
//! The surface of a mask is the set of its voxels with at least one of their six face neighbours
//! outside the mask; beyond the border of the volume everything is outside. Distances are
//! Euclidean, between voxel centres, in mm, each from a voxel of one surface to the nearest voxel
//! of the other. The two directions are combined as in MONAI: HD95 is the larger of the two
//! directed 95th percentiles, the mean is that of both directions' distances together. medpy,
//! which the BrainMaGe and OpenVINO studies used, takes the 95th percentile of both directions'
//! distances together; that is here under its own name.

use ndarray::{Array3, ArrayView3, ShapeBuilder, Zip, s};

use super::Error;
use super::error::check;
use crate::post::distance::squared_to_centres;
use crate::pre::quantile::percentile;

/// Distances in mm between two surfaces.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SurfaceDistances {
    /// The larger of the two directed 95th percentiles.
    pub hd95: f64,
    /// The 95th percentile of the distances of both directions together, as medpy has it.
    pub hd95_pooled: f64,
    /// The largest distance.
    pub hausdorff: f64,
    /// The mean of the distances of both directions together.
    pub mean: f64,
}

/// Compares the surfaces of two masks; `spacing` is the voxel size in mm.
///
/// Zero throughout where both masks are empty, `None` where one of them is.
///
/// # Errors
///
/// [`Error::Shape`], [`Error::Spacing`].
pub fn surface_distances(
    mask: &[u8],
    reference: &[u8],
    shape: [usize; 3],
    spacing: [f64; 3],
) -> Result<Option<SurfaceDistances>, Error> {
    check(mask, reference, shape, spacing)?;
    let [mask, reference] = match [mask, reference].map(|m| ArrayView3::from_shape(shape.f(), m)) {
        [Ok(mask), Ok(reference)] => [mask, reference],
        _ => {
            return Err(Error::Shape {
                shape,
                found: mask.len(),
                reference: reference.len(),
            });
        }
    };
    let zero = SurfaceDistances {
        hd95: 0.0,
        hd95_pooled: 0.0,
        hausdorff: 0.0,
        mean: 0.0,
    };
    let Some((first, end)) = bounding_box(mask, reference) else {
        return Ok(Some(zero));
    };
    let [mask, reference] = [mask, reference]
        .map(|m| surface(m.slice(s![first[0]..end[0], first[1]..end[1], first[2]..end[2]])));
    let mut there = directed(&mask, &reference, spacing);
    let mut back = directed(&reference, &mask, spacing);
    if there.is_empty() || back.is_empty() {
        return Ok(None);
    }
    let mut pooled = [there.as_slice(), back.as_slice()].concat();
    let percentile_95 = |distances: &mut [f32]| percentile(distances, 95.0).unwrap_or(0.0);
    Ok(Some(SurfaceDistances {
        hd95: percentile_95(&mut there).max(percentile_95(&mut back)),
        hd95_pooled: percentile_95(&mut pooled),
        hausdorff: pooled.iter().copied().fold(0.0, f32::max).into(),
        mean: pooled.iter().map(|&d| f64::from(d)).sum::<f64>() / pooled.len() as f64,
    }))
}

/// First and one past the last index, per axis, of the voxels set in either mask.
fn bounding_box(
    mask: ArrayView3<u8>,
    reference: ArrayView3<u8>,
) -> Option<([usize; 3], [usize; 3])> {
    let mut bounds: Option<([usize; 3], [usize; 3])> = None;
    Zip::indexed(mask)
        .and(reference)
        .for_each(|(i, j, k), &a, &b| {
            if a != 0 || b != 0 {
                let (first, end) = bounds.get_or_insert(([i, j, k], [0; 3]));
                for (axis, index) in [i, j, k].into_iter().enumerate() {
                    first[axis] = first[axis].min(index);
                    end[axis] = end[axis].max(index + 1);
                }
            }
        });
    bounds
}

fn surface(mask: ArrayView3<u8>) -> Array3<bool> {
    let inside = |i: usize, j: usize, k: usize| mask.get((i, j, k)).is_some_and(|&v| v != 0);
    let mut surface = Array3::from_elem(mask.raw_dim().f(), false);
    // An index below zero wraps around to one that is out of bounds.
    Zip::indexed(&mut surface).for_each(|(i, j, k), on_surface| {
        *on_surface = inside(i, j, k)
            && !(inside(i.wrapping_sub(1), j, k)
                && inside(i + 1, j, k)
                && inside(i, j.wrapping_sub(1), k)
                && inside(i, j + 1, k)
                && inside(i, j, k.wrapping_sub(1))
                && inside(i, j, k + 1));
    });
    surface
}

/// Distance in mm from every voxel of one surface to the nearest of the other; none where either
/// is empty.
fn directed(from: &Array3<bool>, to: &Array3<bool>, spacing: [f64; 3]) -> Vec<f32> {
    if !to.iter().any(|&set| set) {
        return Vec::new();
    }
    let squared = squared_to_centres(to.view(), spacing);
    let mut distances = Vec::new();
    Zip::from(&squared)
        .and(from)
        .for_each(|squared, &on_surface| {
            if on_surface {
                distances.push(squared.sqrt());
            }
        });
    distances
}
