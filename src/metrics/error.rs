//! What can be wrong with a pair of masks.

use std::fmt;

/// Why two masks could not be compared.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The masks do not have the same number of voxels, or not that of the shape.
    Shape {
        /// Voxels along each axis.
        shape: [usize; 3],
        /// Voxels of the mask.
        found: usize,
        /// Voxels of the reference.
        reference: usize,
    },
    /// A voxel size is zero, negative or not finite.
    Spacing([f64; 3]),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Shape {
                shape,
                found,
                reference,
            } => write!(
                f,
                "masks of {found} and {reference} voxels do not both fill {} x {} x {}",
                shape[0], shape[1], shape[2]
            ),
            Error::Spacing(sizes) => write!(f, "voxel sizes {sizes:?} mm are not all positive"),
        }
    }
}

impl std::error::Error for Error {}

/// Checks that both masks fill `shape` and that the voxel sizes are positive and finite.
pub(super) fn check(
    mask: &[u8],
    reference: &[u8],
    shape: [usize; 3],
    spacing: [f64; 3],
) -> Result<(), Error> {
    let (found, reference) = (mask.len(), reference.len());
    let product = shape
        .iter()
        .try_fold(1_usize, |product, &n| product.checked_mul(n));
    if product != Some(found) || product != Some(reference) {
        Err(Error::Shape {
            shape,
            found,
            reference,
        })
    } else if !spacing.iter().all(|&s| s > 0.0 && s.is_finite()) {
        Err(Error::Spacing(spacing))
    } else {
        Ok(())
    }
}
