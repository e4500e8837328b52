//! What can be wrong with an image or a route.

use thiserror::Error;

/// Why an image could not be prepared for the network.
#[derive(Debug, Error, Clone, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The slice of voxels does not fill the stated shape, or an axis is empty.
    #[error("{found} voxels do not fill {} x {} x {}", shape[0], shape[1], shape[2])]
    Shape {
        /// Voxels along each axis.
        shape: [usize; 3],
        /// Voxels given.
        found: usize,
    },
    /// The affine has axes that are zero, parallel or not finite.
    #[error("the voxel-to-millimetre matrix has axes that are zero, parallel or not finite")]
    SingularAffine,
    /// A voxel size is zero, negative or not finite.
    #[error("voxel sizes {0:?} mm are not all positive")]
    Spacing([f64; 3]),
    /// All voxels (or all but a vanishing part of them) have one value, so there is no head.
    #[error("the image is constant: its voxels have the value {0} throughout")]
    Constant(f64),
    /// The scan is smaller than one voxel of the network's grid.
    #[error("the scan is smaller than one voxel of the network's grid")]
    TooSmall,
    /// The intensities that define the scale of the image are zero or negative.
    #[error("the intensity scale of the image is {0}; a positive one is needed")]
    IntensityScale(f64),
    /// A route whose numbers make no sense.
    #[error("bad route: {0}")]
    Route(&'static str),
}
