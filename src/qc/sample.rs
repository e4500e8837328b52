//! A mask and the scan around it on a grid of its own.

use std::borrow::Cow;

use ndarray::Array3;

use super::Error;
use crate::pre::{self, Affine, Image, affine, resample};
use crate::volume::{Geometry, Scan, with_voxels};

/// Voxels along an edge.
pub(super) const EDGE: usize = 96;

/// Edge of a voxel.
pub(super) const VOXEL_MM: f64 = 2.5;

/// A cube of 240 mm around a mask's centre of mass, its axes towards right, anterior and superior.
pub(super) struct Sample {
    /// Real values; NaN outside the scan.
    pub image: Array3<f32>,
    /// The voxels that are in the mask for at least one half.
    pub mask: Array3<bool>,
}

impl Sample {
    /// `mask` has the scan's shape; `centre` is its mean voxel index.
    pub fn new(scan: &Scan, mask: &Array3<u8>, centre: [f64; 3]) -> Result<Sample, Error> {
        let geometry = scan.geometry();
        let from_mm = affine::invert(&geometry.affine).ok_or(pre::Error::SingularAffine)?;
        let to_source = affine::compose(&from_mm, &grid_around(centre, geometry));
        let scaling = scan.scaling();
        let image = with_voxels!(scan.voxels(), |voxels| {
            let (slope, intercept) = (scaling.slope(), scaling.intercept());
            let image = Image::new(voxels, geometry.shape, slope, intercept)?;
            resample::resample(&image, &to_source, [EDGE; 3])
        });
        let inside = first_axis_fastest(mask);
        let mask = Image::new(&inside, geometry.shape, 1.0, 0.0)?;
        let mask = resample::resample(&mask, &to_source, [EDGE; 3]);
        Ok(Sample {
            image,
            mask: mask.mapv(|share| share >= 0.5),
        })
    }
}

/// 0 or 1 for every voxel; the mask's own memory where it has that form, as most have.
fn first_axis_fastest(mask: &Array3<u8>) -> Cow<'_, [u8]> {
    match mask.t().to_slice() {
        Some(voxels) if voxels.iter().all(|&voxel| voxel <= 1) => Cow::Borrowed(voxels),
        _ => mask.t().iter().map(|&voxel| voxel.min(1)).collect(),
    }
}

/// From indices of the cube to RAS mm.
fn grid_around(centre: [f64; 3], geometry: &Geometry) -> Affine {
    let half = (EDGE - 1) as f64 / 2.0 * VOXEL_MM;
    let [x, y, z] = affine::apply(&geometry.affine, centre).map(|c| c - half);
    [
        [VOXEL_MM, 0.0, 0.0, x],
        [0.0, VOXEL_MM, 0.0, y],
        [0.0, 0.0, VOXEL_MM, z],
    ]
}
