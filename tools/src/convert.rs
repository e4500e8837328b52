//! From a checkpoint to a model file.

use std::path::Path;

use endocast_weights::preprocessing::{Centre, Conform, Intensity, Orientation, Region, Route};
use endocast_weights::{ModelWriter, Precision, Preprocessing};

use crate::architecture::{self, Architecture};
use crate::error::Error;
use crate::fold::fold;
use crate::network::Network;
use crate::published::{self, Published};
use crate::source::{self, Checkpoint};

/// What [`convert`] may be told; the default takes everything from the checkpoint.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The model's name; by default that of the published checkpoint, or the architecture's.
    pub name: Option<String>,
    /// Licence of the weights; by default that of the published checkpoint, if it is one.
    pub license: Option<String>,
    /// What happens around the network; by default as the architecture was trained.
    pub preprocessing: Option<Preprocessing>,
    /// Precision in which the weights are stored.
    pub precision: Precision,
}

/// A converted checkpoint.
#[derive(Debug)]
pub struct Converted {
    /// The model file.
    pub bytes: Vec<u8>,
    /// The model's name.
    pub name: String,
    /// The network that was recognised.
    pub architecture: Architecture,
    /// The published checkpoint that this is, if it is one.
    pub published: Option<&'static Published>,
    /// SHA-256 of the checkpoint.
    pub source_sha256: String,
    /// What the user should know about the conversion, one sentence each.
    pub notes: Vec<String>,
}

/// Converts the checkpoint at `path`; [`source::read`] says what that may be.
///
/// # Errors
/// The checkpoint cannot be read, is of no known network, or does not fit into a model file.
pub fn convert(path: &Path, options: &Options) -> Result<Converted, Error> {
    convert_checkpoint(source::read(path)?, options)
}

/// Converts a checkpoint that has been read.
///
/// # Errors
/// The checkpoint is of no known network, or does not fit into a model file.
pub fn convert_checkpoint(checkpoint: Checkpoint, options: &Options) -> Result<Converted, Error> {
    let Checkpoint { state, sha256 } = checkpoint;
    let without_bias = !state.keys().any(|name| name.ends_with("bias"));
    let (architecture, network) = architecture::build(state)?;
    let mut notes = Vec::new();
    if architecture == Architecture::Meshnet && without_bias {
        notes.push("the last layer has no bias; it is taken to be 0".into());
    }
    let published = published::find(&sha256);
    let name = options.name.clone().unwrap_or_else(|| {
        published.map_or_else(
            || architecture.to_string(),
            |published| published.name.into(),
        )
    });
    let preprocessing = options
        .preprocessing
        .clone()
        .unwrap_or_else(|| trained_with(architecture, &network));

    let network = fold(&network)?;
    let mut writer = ModelWriter::new(&name, network.graph.clone(), &preprocessing);
    writer.precision(options.precision);
    writer.metadata("source_sha256", &sha256)?;
    writer.metadata(
        "tool",
        concat!("endocast-tools ", env!("CARGO_PKG_VERSION")),
    )?;
    let license = options
        .license
        .as_deref()
        .or(published.map(|published| published.license));
    if let Some(license) = license {
        writer.metadata("license", license)?;
    }
    network.write(&mut writer)?;
    Ok(Converted {
        bytes: writer.finish()?,
        name,
        architecture,
        published,
        source_sha256: sha256,
        notes,
    })
}

/// MindGrab's input: 1 mm voxels, scaled by percentiles of the whole cube.
const MINDGRAB: Conform = Conform {
    grid: 256,
    field_of_view_mm: 256.0,
    orientation: Orientation::LIA,
    centre: Centre::Grid,
    intensity: Intensity::Percentiles {
        low: 2.0,
        high: 98.0,
        over: Region::Cube,
    },
};

/// The preprocessing that a network was trained with, as far as its form tells.
fn trained_with(architecture: Architecture, network: &Network) -> Preprocessing {
    let inputs = network.graph.input_channels();
    let outputs = network.graph.output().map_or(0, |node| node.channels);
    let (route, threshold) = match (architecture, inputs, outputs) {
        (Architecture::Meshnet, ..) => (Route::Conform(MINDGRAB), 0.5),
        (Architecture::Resunet, 1, 2..) => (Route::Conform(Conform::head(96)), 0.5),
        (_, 4, _) => (Route::BrainmageMulti4 { grid: 128 }, 0.9),
        _ => (Route::BrainmageMa { grid: 128 }, 0.9),
    };
    let names = ["brain".to_string(), "tissue".to_string()].into_iter();
    let others = (names.len()..).map(|number| format!("output-{number}"));
    Preprocessing {
        route,
        outputs: names.chain(others).take(outputs).collect(),
        threshold,
    }
}
