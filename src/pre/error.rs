//! What can be wrong with an image or a route.

use std::fmt;

/// Why an image could not be prepared for the network.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// The slice of voxels does not fill the stated shape, or an axis is empty.
    Shape {
        /// Voxels along each axis.
        shape: [usize; 3],
        /// Voxels given.
        found: usize,
    },
    /// The affine has axes that are zero, parallel or not finite.
    SingularAffine,
    /// A voxel size is zero, negative or not finite.
    Spacing([f64; 3]),
    /// All voxels (or all but a vanishing part of them) have one value, so there is no head.
    Constant(f64),
    /// The scan is smaller than one voxel of the network's grid.
    TooSmall,
    /// The intensities that define the scale of the image are zero or negative.
    IntensityScale(f64),
    /// A route whose numbers make no sense.
    Route(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Shape { shape, found } => write!(
                f,
                "{found} voxels do not fill {} x {} x {}",
                shape[0], shape[1], shape[2]
            ),
            Error::SingularAffine => f.write_str(
                "the voxel-to-millimetre matrix has axes that are zero, parallel or not finite",
            ),
            Error::Spacing(sizes) => write!(f, "voxel sizes {sizes:?} mm are not all positive"),
            Error::Constant(0.0) => {
                f.write_str("the image is constant: its voxels are 0 throughout, or not finite")
            }
            Error::Constant(value) => write!(
                f,
                "the image is constant: its voxels have the value {value} throughout"
            ),
            Error::TooSmall => {
                f.write_str("the scan is smaller than one voxel of the network's grid")
            }
            Error::IntensityScale(value) => write!(
                f,
                "the intensity scale of the image is {value}; a positive one is needed"
            ),
            Error::Route(cause) => write!(f, "bad route: {cause}"),
        }
    }
}

impl std::error::Error for Error {}
