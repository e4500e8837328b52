//! What can be wrong with a mesh.

use std::path::PathBuf;

use thiserror::Error;

/// Why a surface could not be made or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// More vertices than the formats can count.
    #[error("the surface has more than two thousand million vertices")]
    TooLarge,
    /// The output's name does not say which format to write.
    #[error("{}: names of surfaces end in .obj or .gii", path.display())]
    UnknownSuffix {
        /// The file.
        path: PathBuf,
    },
}
