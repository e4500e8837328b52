//! The model to work with: one in a file, or one of those inside this library.

use std::fmt;
use std::path::{Path, PathBuf};

use endocast_weights::{Error as WeightsError, Model};

use crate::Precision;

/// Why there is no model.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The file is not a model.
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: WeightsError,
    },
    /// The file holds a model of the other precision.
    Precision {
        /// The file.
        path: PathBuf,
        /// What was asked for.
        wanted: Precision,
    },
    /// This library has no such model inside.
    NotInside(Option<Precision>),
    /// The model inside this library is damaged.
    Inside(WeightsError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::File { path, cause } => write!(f, "{}: {cause}", path.display()),
            Error::Precision { path, wanted } => {
                write!(f, "{}: the model is not {}", path.display(), wanted.name())
            }
            Error::NotInside(None) => f.write_str("this build has no model inside"),
            Error::NotInside(Some(wanted)) => {
                write!(f, "this build has no {} model inside", wanted.name())
            }
            Error::Inside(cause) => write!(f, "the built-in model: {cause}"),
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    /// The exit code that the command has for it: 2, or 6 for a damaged model.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::File { .. } | Error::Inside(_) => 6,
            Error::Precision { .. } | Error::NotInside(_) => 2,
        }
    }
}

/// Reads the model at `path`, or takes the one inside this library; in `precision`, or without one
/// whatever the file has or is faster on this processor.
///
/// # Errors
/// A file that is no model or has another precision; a build without such a model.
pub fn open(path: Option<&Path>, precision: Option<Precision>) -> Result<Model, Error> {
    let Some(path) = path else {
        return inside(precision);
    };
    let model = Model::open(path).map_err(|cause| Error::File {
        path: path.into(),
        cause,
    })?;
    match precision {
        Some(wanted) if wanted != Precision::of(&model) => Err(Error::Precision {
            path: path.into(),
            wanted,
        }),
        _ => Ok(model),
    }
}

#[cfg(feature = "embedded-model")]
fn inside(precision: Option<Precision>) -> Result<Model, Error> {
    use crate::embedded::{DEFAULT, find};
    let found = find(DEFAULT, precision, endocast_kernels::cpu::Cpu::detect());
    let found = found.ok_or(Error::NotInside(precision))?;
    found.open().map_err(Error::Inside)
}

#[cfg(not(feature = "embedded-model"))]
fn inside(precision: Option<Precision>) -> Result<Model, Error> {
    Err(Error::NotInside(precision))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_model_is_named() {
        let error = open(Some(Path::new("Cargo.toml")), None).err().unwrap();
        assert!(error.to_string().starts_with("Cargo.toml: "), "{error}");
        assert_eq!(error.exit_code(), 6);
    }

    #[cfg(feature = "embedded-model")]
    #[test]
    fn a_file_of_another_precision_is_refused() {
        let path = Path::new("weights/endocast-int8.model");
        assert!(open(Some(path), Some(Precision::Int8)).is_ok());
        let error = open(Some(path), Some(Precision::F32)).err().unwrap();
        assert_eq!(error.exit_code(), 2);
    }
}
