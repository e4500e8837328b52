//! What can be wrong with a mask or a probability map.

use std::fmt;

/// Why a network's output could not be turned into a mask.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// No voxel reached the threshold, so no brain was found.
    EmptyMask,
    /// The slice of voxels does not fill the stated shape, or an axis is empty.
    Shape {
        /// Voxels along each axis.
        shape: [usize; 3],
        /// Voxels given.
        found: usize,
    },
    /// A voxel size is zero, negative or not finite.
    Spacing([f64; 3]),
    /// An affine has axes that are zero, parallel or not finite.
    SingularAffine,
    /// The four-channel route only comes out right for one shape.
    Multi4Shape([usize; 3]),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::EmptyMask => f.write_str("no brain found: the mask is empty"),
            Error::Shape { shape, found } => write!(
                f,
                "{found} voxels do not fill {} x {} x {}",
                shape[0], shape[1], shape[2]
            ),
            Error::Spacing(sizes) => write!(f, "voxel sizes {sizes:?} mm are not all positive"),
            Error::SingularAffine => f.write_str(
                "the voxel-to-millimetre matrix has axes that are zero, parallel or not finite",
            ),
            Error::Multi4Shape(shape) => write!(
                f,
                "the four-channel route needs images of 240 x 240 x 155 voxels, not {} x {} x {}",
                shape[0], shape[1], shape[2]
            ),
        }
    }
}

impl std::error::Error for Error {}

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
