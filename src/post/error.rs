//! What can be wrong with a mask or a probability map.

use thiserror::Error;

/// Why a network's output could not be turned into a mask.
#[derive(Debug, Error, Clone, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// No voxel reached the threshold, so no brain was found.
    #[error("no brain found: the mask is empty")]
    EmptyMask,
    /// The slice of voxels does not fill the stated shape, or an axis is empty.
    #[error("{found} voxels do not fill {} x {} x {}", shape[0], shape[1], shape[2])]
    Shape {
        /// Voxels along each axis.
        shape: [usize; 3],
        /// Voxels given.
        found: usize,
    },
    /// A voxel size is zero, negative or not finite.
    #[error("voxel sizes {0:?} mm are not all positive")]
    Spacing([f64; 3]),
    /// An affine has axes that are zero, parallel or not finite.
    #[error("the voxel-to-millimetre matrix has axes that are zero, parallel or not finite")]
    SingularAffine,
    /// The four-channel route only comes out right for one shape.
    #[error(
        "the four-channel route needs images of 240 x 240 x 155 voxels, not {} x {} x {}",
        .0[0], .0[1], .0[2]
    )]
    Multi4Shape([usize; 3]),
}

/// Checks that `found` voxels fill `shape` and that no axis is empty.
pub(crate) fn check_shape(shape: [usize; 3], found: usize) -> Result<(), Error> {
    let product = shape
        .iter()
        .try_fold(1_usize, |product, &n| product.checked_mul(n));
    if product == Some(found) && found > 0 {
        Ok(())
    } else {
        Err(Error::Shape { shape, found })
    }
}

/// Checks that all voxel sizes are positive and finite.
pub(crate) fn check_spacing(spacing: [f64; 3]) -> Result<(), Error> {
    if spacing.iter().all(|&s| s > 0.0 && s.is_finite()) {
        Ok(())
    } else {
        Err(Error::Spacing(spacing))
    }
}
