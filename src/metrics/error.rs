//! What can be wrong with a pair of masks.

use thiserror::Error;

/// Why two masks could not be compared.
#[derive(Debug, Error, Clone, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The masks do not have the same number of voxels, or not that of the shape.
    #[error(
        "masks of {found} and {reference} voxels do not both fill {} x {} x {}",
        shape[0], shape[1], shape[2]
    )]
    Shape {
        /// Voxels along each axis.
        shape: [usize; 3],
        /// Voxels of the mask.
        found: usize,
        /// Voxels of the reference.
        reference: usize,
    },
    /// A voxel size is zero, negative or not finite.
    #[error("voxel sizes {0:?} mm are not all positive")]
    Spacing([f64; 3]),
}

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
