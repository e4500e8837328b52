//! BrainMaGe's own ways from an image to the network, step for step.
//!
//! The way back is [`crate::post::brainmage`]. None of these routes looks at the orientation of
//! the image: array axes are used as they are in the file. The network input is a cube of `grid`
//! voxels per edge (128 in all of BrainMaGe's networks) whose **last** axis is fastest, as PyTorch
//! has it: depth, height and width are the image's first, second and third axis.

use ndarray::{Array3, ArrayView3, ShapeBuilder, s};

use super::Error;
use super::image::{Image, Voxel};
use super::normalise::ForegroundScale;
use super::spline::{AntiAlias, Degree, resize};

/// The canvas that 1 mm images are padded to.
pub const CANVAS: [usize; 3] = [240, 240, 160];

/// Most voxels that an image may have at 1 mm.
const MAX_VOXELS: f64 = (1 << 30) as f64;

/// Shapes along the modality-agnostic batch route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgnosticPlan {
    /// The image as it came.
    pub native: [usize; 3],
    /// The image at 1 mm.
    pub resampled: [usize; 3],
}

impl AgnosticPlan {
    /// Plans the route of an image with voxels of `spacing` mm.
    ///
    /// # Errors
    ///
    /// [`Error::Spacing`] where a voxel size is not positive, or rounds an axis to nothing,
    /// or makes an image of more than 2^30 voxels.
    pub fn new(native: [usize; 3], spacing: [f64; 3]) -> Result<AgnosticPlan, Error> {
        Ok(AgnosticPlan {
            native,
            resampled: one_millimetre(native, spacing)?,
        })
    }

    /// Zeros put before each axis of the 1 mm image: half of what is missing to the canvas
    /// (rounded down) for the first two axes, all of it for the third.
    pub fn padding(&self) -> [usize; 3] {
        let missing = |axis: usize| CANVAS[axis].saturating_sub(self.resampled[axis]);
        [missing(0) / 2, missing(1) / 2, missing(2)]
    }

    /// The padded image; axes longer than the canvas stay as they are.
    pub fn padded(&self) -> [usize; 3] {
        std::array::from_fn(|axis| self.resampled[axis].max(CANVAS[axis]))
    }
}

/// Prepares one image for the modality-agnostic network, as the batch command does.
///
/// Resample to 1 mm (cubic), pad with zeros to the canvas, normalise, resize to the cube (cubic).
///
/// # Errors
///
/// [`Error::Spacing`], [`Error::IntensityScale`].
pub fn prepare_agnostic<T: Voxel>(
    image: &Image<T>,
    spacing: [f64; 3],
    grid: usize,
) -> Result<(Array3<f32>, AgnosticPlan), Error> {
    let plan = AgnosticPlan::new(image.shape(), spacing)?;
    let resampled = resize(
        values(image).view(),
        plan.resampled,
        Degree::Cubic,
        AntiAlias::None,
    );
    let mut padded = pad(resampled.view(), plan.padded(), plan.padding());
    let scale = ForegroundScale::measure(padded.iter().copied())?;
    padded.mapv_inplace(|v| scale.apply(v));
    Ok((cube(padded.view(), grid), plan))
}

/// Prepares one image for the modality-agnostic network, as the single-run command does.
///
/// Normalise, resize to the cube (cubic); voxel sizes are ignored.
///
/// # Errors
///
/// [`Error::IntensityScale`].
pub fn prepare_single<T: Voxel>(image: &Image<T>, grid: usize) -> Result<Array3<f32>, Error> {
    let mut values = values(image);
    let scale = ForegroundScale::measure(values.iter().copied())?;
    values.mapv_inplace(|v| scale.apply(v));
    Ok(cube(values.view(), grid))
}

/// Prepares one of the four co-registered images (T1, T2, contrast-enhanced T1, FLAIR) for the
/// four-channel network.
///
/// Linear resample to 1 mm unless the spacing is exactly that, pad with zeros to the canvas
/// (first two axes: half on both sides, rounded down, so that odd sizes come out one voxel short;
/// third axis: all after), resize to the cube (cubic), normalise.
///
/// # Errors
///
/// [`Error::Spacing`], [`Error::IntensityScale`].
pub fn prepare_multi4<T: Voxel>(
    image: &Image<T>,
    spacing: [f64; 3],
    grid: usize,
) -> Result<Array3<f32>, Error> {
    let mut values = values(image);
    if spacing != [1.0; 3] {
        let shape = one_millimetre(image.shape(), spacing)?;
        values = resize(values.view(), shape, Degree::Linear, AntiAlias::None);
    }
    let shape: [usize; 3] = values.dim().into();
    let missing: [usize; 3] = std::array::from_fn(|axis| CANVAS[axis].saturating_sub(shape[axis]));
    let before = [missing[0] / 2, missing[1] / 2, 0];
    let padded = [
        shape[0] + 2 * before[0],
        shape[1] + 2 * before[1],
        shape[2] + missing[2],
    ];
    let padded = pad(values.view(), padded, before);
    let mut resized = resize(padded.view(), [grid; 3], Degree::Cubic, AntiAlias::None);
    let scale = ForegroundScale::measure(resized.iter().copied())?;
    resized.mapv_inplace(|v| scale.apply(v));
    Ok(last_axis_fastest(resized.view()))
}

fn values<T: Voxel>(image: &Image<T>) -> Array3<f64> {
    image.voxels().mapv(|voxel| image.value(voxel))
}

/// Shape at 1 mm; halves round to even.
fn one_millimetre(shape: [usize; 3], spacing: [f64; 3]) -> Result<[usize; 3], Error> {
    let resampled: [f64; 3] =
        std::array::from_fn(|axis| (spacing[axis] * shape[axis] as f64).round_ties_even());
    let enough = resampled.iter().all(|&n| n >= 1.0);
    if enough && resampled.iter().product::<f64>() <= MAX_VOXELS {
        Ok(resampled.map(|n| n as usize))
    } else {
        Err(Error::Spacing(spacing))
    }
}

fn pad(image: ArrayView3<f64>, shape: [usize; 3], before: [usize; 3]) -> Array3<f64> {
    let mut padded = Array3::zeros(shape.f());
    let end: [usize; 3] = std::array::from_fn(|axis| before[axis] + image.shape()[axis]);
    padded
        .slice_mut(s![before[0]..end[0], before[1]..end[1], before[2]..end[2]])
        .assign(&image);
    padded
}

/// Resizes a normalised image to a cube of `grid` voxels per edge, last axis fastest.
fn cube(image: ArrayView3<f64>, grid: usize) -> Array3<f32> {
    last_axis_fastest(resize(image, [grid; 3], Degree::Cubic, AntiAlias::None).view())
}

fn last_axis_fastest(values: ArrayView3<f64>) -> Array3<f32> {
    let mut cube = Array3::zeros(values.dim());
    cube.zip_mut_with(&values, |cube, &v| *cube = v as f32);
    cube
}
