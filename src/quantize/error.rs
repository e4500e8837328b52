//! What stops quantisation, in a line each.

use std::fmt;
use std::path::PathBuf;

use endocast_weights::GraphError;

use crate::{exec, extract, plan, volume};

/// Why a model was not quantised.
#[derive(Debug)]
#[non_exhaustive]
#[allow(missing_docs)] // the fields are named and appear in the messages
pub enum Error {
    /// The folder of calibration scans cannot be listed.
    Folder {
        folder: PathBuf,
        cause: std::io::Error,
    },
    /// Too few scans to judge the range of anything.
    TooFew {
        folder: PathBuf,
        found: usize,
        needed: usize,
    },
    /// A calibration scan cannot be read; the message names it.
    Scan(volume::Error),
    /// A calibration scan has another number of images than the network reads.
    Channels {
        path: PathBuf,
        found: usize,
        expected: usize,
    },
    /// A calibration scan cannot be brought onto the network's grid.
    Prepare {
        path: PathBuf,
        cause: extract::Error,
    },
    /// There is nothing to measure around.
    NoBrain { path: PathBuf },
    /// The model has 8-bit convolutions.
    Quantised,
    /// The threads could not be started.
    Threads { threads: usize, cause: String },
    /// A network cannot be written down.
    Graph(GraphError),
    /// A model cannot be written.
    Weights(endocast_weights::Error),
    /// The engine cannot plan the network.
    Plan(plan::Error),
    /// The engine cannot run the network.
    Exec(exec::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Folder { folder, cause } => {
                write!(f, "{}: cannot read the folder: {cause}", folder.display())
            }
            Error::TooFew {
                folder,
                found,
                needed,
            } => write!(
                f,
                "{}: {found} scans to calibrate with, at least {needed} are needed",
                folder.display()
            ),
            Error::Scan(cause) => cause.fmt(f),
            Error::Channels {
                path,
                found,
                expected,
            } => write!(
                f,
                "{}: {found} volumes to calibrate with, but the network reads {expected}",
                path.display()
            ),
            Error::Prepare { path, cause } => write!(f, "{}: {cause}", path.display()),
            Error::NoBrain { path } => write!(
                f,
                "{}: the network finds no brain to calibrate with",
                path.display()
            ),
            Error::Quantised => f.write_str("the model is quantised already"),
            Error::Threads { threads, cause } => {
                write!(f, "cannot start {threads} threads: {cause}")
            }
            Error::Graph(cause) => cause.fmt(f),
            Error::Weights(cause) => cause.fmt(f),
            Error::Plan(cause) => write!(f, "the network cannot be run: {cause}"),
            Error::Exec(cause) => write!(f, "the network cannot be run: {cause}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<volume::Error> for Error {
    fn from(cause: volume::Error) -> Error {
        Error::Scan(cause)
    }
}

impl From<GraphError> for Error {
    fn from(cause: GraphError) -> Error {
        Error::Graph(cause)
    }
}

impl From<endocast_weights::Error> for Error {
    fn from(cause: endocast_weights::Error) -> Error {
        Error::Weights(cause)
    }
}

impl From<plan::Error> for Error {
    fn from(cause: plan::Error) -> Error {
        Error::Plan(cause)
    }
}

impl From<exec::Error> for Error {
    fn from(cause: exec::Error) -> Error {
        Error::Exec(cause)
    }
}
