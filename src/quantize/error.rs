use std::path::PathBuf;

use endocast_weights::GraphError;

use crate::{exec, extract, plan, volume};

/// Why a model was not quantised.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)] // the fields are named and appear in the messages
pub enum Error {
    /// The folder of calibration scans cannot be listed.
    #[error("{}: cannot read the folder: {cause}", folder.display())]
    Folder {
        folder: PathBuf,
        cause: std::io::Error,
    },
    /// Too few scans to judge the range of anything.
    #[error("{}: {found} scans to calibrate with, at least {needed} are needed", folder.display())]
    TooFew {
        folder: PathBuf,
        found: usize,
        needed: usize,
    },
    /// A calibration scan cannot be read; the message names it.
    #[error(transparent)]
    Scan(#[from] volume::Error),
    /// A calibration scan has another number of images than the network reads.
    #[error("{}: {found} volumes to calibrate with, but the network reads {expected}", path.display())]
    Channels {
        path: PathBuf,
        found: usize,
        expected: usize,
    },
    /// A calibration scan cannot be brought onto the network's grid.
    #[error("{}: {cause}", path.display())]
    Prepare {
        path: PathBuf,
        cause: extract::Error,
    },
    /// There is nothing to measure around.
    #[error("{}: the network finds no brain to calibrate with", path.display())]
    NoBrain { path: PathBuf },
    /// The model has 8-bit convolutions.
    #[error("the model is quantised already")]
    Quantised,
    /// The threads could not be started.
    #[error("cannot start {threads} threads: {cause}")]
    Threads { threads: usize, cause: String },
    /// A network cannot be written down.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A model cannot be written.
    #[error(transparent)]
    Weights(#[from] endocast_weights::Error),
    /// The engine cannot plan the network.
    #[error("the network cannot be run: {0}")]
    Plan(#[from] plan::Error),
    /// The engine cannot run the network.
    #[error("the network cannot be run: {0}")]
    Exec(#[from] exec::Error),
}
