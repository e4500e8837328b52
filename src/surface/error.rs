//! What can be wrong with a mesh.

use std::fmt;
use std::path::PathBuf;

/// Why a surface could not be made or written.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// More vertices than the formats can count.
    TooLarge,
    /// The output's name does not say which format to write.
    UnknownSuffix {
        /// The file.
        path: PathBuf,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::TooLarge => {
                f.write_str("the surface has more than two thousand million vertices")
            }
            Error::UnknownSuffix { path } => write!(
                f,
                "{}: names of surfaces end in .obj or .gii",
                path.display()
            ),
        }
    }
}

impl std::error::Error for Error {}
