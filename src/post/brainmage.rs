//! BrainMaGe's own ways from the network to a mask, step for step.
//!
//! Each takes the cube of probabilities that belongs to an input of [`crate::pre::brainmage`],
//! axes in the same order, and returns a mask of 0 and 1 with the image's first axis fastest.
//! The threshold is 0.9; holes are filled in every slice across the third axis on its own; of
//! the rest the largest component (26 neighbours) stays.

use ndarray::{Array3, ArrayView3, s};

use super::Error;
use super::components::{Connectivity, keep_largest};
use super::holes::fill_holes_by_slice;
use crate::pre::brainmage::{AgnosticPlan, CANVAS};
use crate::pre::spline::{AntiAlias, Degree, resize};

/// Slices across the third axis that the four-channel route keeps.
const MULTI4_SLICES: usize = 155;

/// The way back from [`crate::pre::brainmage::prepare_agnostic`].
///
/// Probabilities to the padded shape (cubic), threshold, padding off, the binary mask to the
/// image's shape (cubic, Gaussian first along axes that shrink), threshold again, holes, largest
/// component.
///
/// # Errors
///
/// [`Error::EmptyMask`].
pub fn restore_agnostic(
    probabilities: ArrayView3<f32>,
    plan: &AgnosticPlan,
) -> Result<Vec<u8>, Error> {
    let padded = threshold(enlarge(probabilities, plan.padded()));
    let start = plan.padding();
    let end: [usize; 3] = std::array::from_fn(|axis| start[axis] + plan.resampled[axis]);
    let cropped = padded.slice(s![start[0]..end[0], start[1]..end[1], start[2]..end[2]]);
    let native = resize(cropped, plan.native, Degree::Cubic, AntiAlias::Gaussian);
    finish(threshold(native))
}

/// The way back from [`crate::pre::brainmage::prepare_single`] to an image of `shape`.
///
/// Probabilities to the image's shape (cubic, Gaussian first along axes that shrink), threshold,
/// holes, largest component.
///
/// # Errors
///
/// [`Error::EmptyMask`].
pub fn restore_single(probabilities: ArrayView3<f32>, shape: [usize; 3]) -> Result<Vec<u8>, Error> {
    finish(threshold(enlarge(probabilities, shape)))
}

/// The way back from [`crate::pre::brainmage::prepare_multi4`] to images of `shape`.
///
/// Probabilities to the canvas (cubic), the first 155 slices of it, threshold, holes, largest
/// component.
///
/// # Errors
///
/// [`Error::Multi4Shape`] where `shape` is not 240 x 240 x 155, the only one that this route puts
/// in the right place; [`Error::EmptyMask`].
pub fn restore_multi4(probabilities: ArrayView3<f32>, shape: [usize; 3]) -> Result<Vec<u8>, Error> {
    check_multi4(shape)?;
    let canvas = enlarge(probabilities, CANVAS);
    finish(threshold(
        canvas.slice(s![.., .., ..MULTI4_SLICES]).to_owned(),
    ))
}

/// Whether the four-channel route puts the mask of images of `shape` in the right place.
///
/// # Errors
///
/// [`Error::Multi4Shape`].
pub fn check_multi4(shape: [usize; 3]) -> Result<(), Error> {
    match shape == [CANVAS[0], CANVAS[1], MULTI4_SLICES] {
        true => Ok(()),
        false => Err(Error::Multi4Shape(shape)),
    }
}

/// Resizes network output as the original's `interpolate_image` does.
fn enlarge(probabilities: ArrayView3<f32>, shape: [usize; 3]) -> Array3<f64> {
    resize(
        probabilities.mapv(f64::from).view(),
        shape,
        Degree::Cubic,
        AntiAlias::Gaussian,
    )
}

/// 1 where the value, rounded to `f32` as the original stores it, is at least 0.9, else 0.
fn threshold(values: Array3<f64>) -> Array3<f64> {
    values.mapv_into(|v| if v as f32 >= 0.9 { 1.0 } else { 0.0 })
}

fn finish(binary: Array3<f64>) -> Result<Vec<u8>, Error> {
    let shape = binary.dim().into();
    // Reversed axes: the first becomes the fastest.
    let mut mask: Vec<u8> = binary.t().iter().map(|&v| v as u8).collect();
    fill_holes_by_slice(&mut mask, shape)?;
    keep_largest(&mut mask, shape, Connectivity::Corners)?;
    Ok(mask)
}
