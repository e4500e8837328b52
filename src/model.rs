//! The model to work with: one in a file, or one of those inside this library.

use std::fmt;
use std::path::{Path, PathBuf};

use endocast_kernels::cpu::Cpu;
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
        /// What it holds.
        found: Precision,
        /// What was asked for.
        wanted: Precision,
    },
    /// This library has no model inside.
    Without,
    /// This library has no such model inside.
    NotInside {
        /// The model asked for.
        name: String,
        /// In which precision.
        wanted: Precision,
    },
    /// The model inside this library is damaged.
    Inside(WeightsError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::File { path, cause } => {
                write!(f, "{}: {cause}", path.display())?;
                match path.parent() {
                    Some(folder) if folder == Path::new("") && self.exit_code() == 2 => {
                        write!(f, "; models inside this program are {}", names().join(", "))
                    }
                    _ => Ok(()),
                }
            }
            Error::Precision {
                path,
                found,
                wanted,
            } => {
                let [found, wanted] = [found.name(), wanted.name()];
                write!(f, "{}: the model is {found}, not {wanted}", path.display())
            }
            Error::Without => f.write_str("this build has no model inside: name a file"),
            Error::NotInside { name, wanted } => {
                let wanted = wanted.name();
                write!(f, "this build has no {wanted} model \"{name}\" inside")
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
            Error::File {
                cause: WeightsError::Io(_),
                ..
            } => 2,
            Error::File { .. } | Error::Inside(_) => 6,
            Error::Precision { .. } | Error::Without | Error::NotInside { .. } => 2,
        }
    }
}

/// Reads the model at `path`, or takes the default one inside this library; in `precision`, or without
/// one whatever the file has or is faster on this processor.
///
/// # Errors
/// A file that is no model or has another precision; a build without such a model.
pub fn open(path: Option<&Path>, precision: Option<Precision>) -> Result<Model, Error> {
    match path {
        Some(path) => file(path, precision),
        None => inside(None, precision, Cpu::detect()),
    }
}

/// Reads the model at `path`, which must have `precision` if one is given. It is read, not mapped:
/// whatever happens to the file later does not concern this process.
///
/// # Errors
/// A file that is no model or has another precision.
pub fn file(path: &Path, precision: Option<Precision>) -> Result<Model, Error> {
    let model = Model::open(path).map_err(|cause| Error::File {
        path: path.into(),
        cause,
    })?;
    let found = Precision::of(&model);
    match precision {
        Some(wanted) if wanted != found => Err(Error::Precision {
            path: path.into(),
            found,
            wanted,
        }),
        _ => Ok(model),
    }
}

/// Whether a model inside this library has this name.
pub fn is_inside(name: &Path) -> bool {
    names().iter().any(|inside| name == Path::new(inside))
}

/// The models inside this library.
#[cfg(feature = "embedded-model")]
fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = crate::embedded::MODELS
        .iter()
        .map(|model| model.name)
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The models inside this library.
#[cfg(not(feature = "embedded-model"))]
fn names() -> Vec<&'static str> {
    Vec::new()
}

/// The model inside this library with this name, or the default one; in `precision`, or without one in
/// the faster one of those that there are on `cpu`.
///
/// # Errors
/// A build without such a model.
#[cfg(feature = "embedded-model")]
pub fn inside(name: Option<&str>, precision: Option<Precision>, cpu: Cpu) -> Result<Model, Error> {
    use crate::embedded::{DEFAULT, find};
    let name = name.unwrap_or(DEFAULT);
    let found = find(name, precision, cpu).ok_or_else(|| Error::NotInside {
        name: name.into(),
        wanted: precision.unwrap_or(Precision::fastest(cpu)),
    })?;
    found.open().map_err(Error::Inside)
}

/// The model inside this library with this name, or the default one; in `precision`, or without one in
/// the faster one of those that there are on `cpu`.
///
/// # Errors
/// Always: this build has no model inside.
#[cfg(not(feature = "embedded-model"))]
pub fn inside(_: Option<&str>, _: Option<Precision>, _: Cpu) -> Result<Model, Error> {
    Err(Error::Without)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_model_is_named() {
        let error = open(Some(Path::new("Cargo.toml")), None).err().unwrap();
        assert!(error.to_string().starts_with("Cargo.toml: "), "{error}");
        assert_eq!(error.exit_code(), 6);
        let error = open(Some(Path::new("absent")), None).err().unwrap();
        assert!(error.to_string().starts_with("absent: "), "{error}");
        assert_eq!(error.exit_code(), 2);
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
