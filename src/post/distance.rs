//! Exact Euclidean distances in millimetres, linear time per axis.
//!
//! The squared distance separates over the axes: along each line it is the lower envelope of
//! parabolas, one per sample, found with a stack (Felzenszwalb and Huttenlocher, Distance
//! Transforms of Sampled Functions, 2012).

use ndarray::{Array3, ArrayView3, ShapeBuilder, Slice, Zip};

use super::Error;
use super::error::{check_shape, check_spacing};
use crate::pre::lines::update_lines;
use crate::volume::crop::bounds;

/// Squared distance in mm^2 from every voxel centre to the nearest centre of a set voxel;
/// infinite where none is set.
pub(crate) fn squared_to_centres(set: ArrayView3<bool>, spacing: [f64; 3]) -> Array3<f32> {
    let mut squared = zero_where(set);
    for (axis, spacing) in spacing.into_iter().enumerate() {
        update_lines(squared.view_mut(), axis, |line| {
            let sites: Vec<f32> = line.to_vec();
            lower_envelope(&sites, 0.0, spacing, line);
        });
    }
    squared
}

/// Squared distance in mm^2 from every voxel centre to the nearest point of a set voxel's box;
/// infinite where none is set.
fn squared_to_boxes(set: ArrayView3<bool>, spacing: [f64; 3]) -> Array3<f32> {
    let mut squared = zero_where(set);
    for (axis, spacing) in spacing.into_iter().enumerate() {
        update_lines(squared.view_mut(), axis, |line| {
            let inside = line.to_vec();
            // One site on each face between two voxels, where the nearer box begins.
            let faces: Vec<f32> = inside.windows(2).map(|pair| pair[0].min(pair[1])).collect();
            lower_envelope(&faces, 0.5, spacing, line);
            line.iter_mut()
                .zip(&inside)
                .for_each(|(value, &inside)| *value = value.min(inside));
        });
    }
    squared
}

fn zero_where(set: ArrayView3<bool>) -> Array3<f32> {
    let mut squared = Array3::zeros(set.raw_dim().f());
    Zip::from(&mut squared)
        .and(set)
        .for_each(|squared, &set| *squared = if set { 0.0 } else { f32::INFINITY });
    squared
}

/// Sets `line[p]` to the minimum over `q` of `sites[q] + (spacing * (p - q - offset))^2`.
fn lower_envelope(sites: &[f32], offset: f64, spacing: f64, line: &mut [f32]) {
    // Parabolas of the envelope and where each begins to be the lowest, in voxels from `offset`.
    let mut hull: Vec<(f64, f64, f64)> = Vec::with_capacity(sites.len());
    let scale = spacing * spacing;
    for (q, &height) in sites.iter().enumerate() {
        if height == f32::INFINITY {
            continue;
        }
        let (q, height) = (q as f64, f64::from(height) / scale);
        let mut begin = f64::NEG_INFINITY;
        while let Some(&(other_begin, other_q, other_height)) = hull.last() {
            begin = ((height + q * q) - (other_height + other_q * other_q)) / (2.0 * (q - other_q));
            if begin > other_begin {
                break;
            }
            hull.pop();
        }
        hull.push((begin, q, height));
    }
    let mut lowest = 0;
    for (p, value) in line.iter_mut().enumerate() {
        let p = p as f64 - offset;
        while hull.get(lowest + 1).is_some_and(|&(begin, ..)| begin < p) {
            lowest += 1;
        }
        *value = match hull.get(lowest) {
            Some(&(_, q, height)) => (scale * (height + (p - q) * (p - q))) as f32,
            None => f32::INFINITY,
        };
    }
}

/// Signed distance in mm from every voxel centre to the surface of a mask: negative inside.
///
/// The surface is made of the faces between mask and background voxels, so a voxel on either
/// side of a face is half a voxel away from it, and `distance <= border` grows (or, for a
/// negative border, shrinks) the mask by equal steps. `mask` fills `shape`, first axis fastest,
/// as does the result; voxels that are not zero are in the mask. The border of the volume is no
/// surface. Without a surface all distances are infinite: positive for an empty mask, negative
/// for a full one.
///
/// # Errors
///
/// [`Error::Shape`], [`Error::Spacing`].
pub fn signed_distance(
    mask: &[u8],
    shape: [usize; 3],
    spacing: [f64; 3],
) -> Result<Vec<f32>, Error> {
    check_shape(shape, mask.len())?;
    check_spacing(spacing)?;
    let squared = |set: &[bool]| {
        let set = ArrayView3::from_shape(shape.f(), set);
        let set = set.map_err(|_| Error::Shape {
            shape,
            found: mask.len(),
        })?;
        Ok(squared_to_boxes(set, spacing).into_raw_vec_and_offset().0)
    };
    let mut set: Vec<bool> = mask.iter().map(|&v| v != 0).collect();
    let mut distance = squared(&set)?;
    set.iter_mut().for_each(|set| *set = !*set);
    let to_background = squared(&set)?;
    for ((distance, to_background), outside) in distance.iter_mut().zip(to_background).zip(set) {
        *distance = if outside {
            distance.sqrt()
        } else {
            -to_background.sqrt()
        };
    }
    Ok(distance)
}

/// Grows a mask by `border` mm, or shrinks it by a negative one: to the voxels whose [`signed_distance`] is at
/// most `border`. Distances are only measured in the box around the mask that can hold them.
///
/// # Errors
///
/// [`Error::Spacing`]; [`Error::EmptyMask`] if no voxel is left.
pub fn move_border(mask: &Array3<u8>, spacing: [f64; 3], border: f32) -> Result<Array3<u8>, Error> {
    check_spacing(spacing)?;
    // A layer of background at least, to which inner voxels have a distance.
    let margin = spacing.into_iter().fold(f64::from(border), f64::max);
    let ranges = bounds(mask, spacing, margin).ok_or(Error::EmptyMask)?;
    let part = mask.slice_each_axis(|axis| Slice::from(ranges[axis.axis.index()].clone()));
    let shape = [0, 1, 2].map(|axis| ranges[axis].len());
    let near: Vec<u8> = part.t().iter().copied().collect();
    let distances = signed_distance(&near, shape, spacing)?;
    let mut moved = Array3::zeros(mask.raw_dim().f());
    let mut part = moved.slice_each_axis_mut(|axis| Slice::from(ranges[axis.axis.index()].clone()));
    let mut any = false;
    for (voxel, distance) in part.view_mut().reversed_axes().iter_mut().zip(distances) {
        *voxel = u8::from(distance <= border);
        any |= distance <= border;
    }
    if any {
        Ok(moved)
    } else {
        Err(Error::EmptyMask)
    }
}
