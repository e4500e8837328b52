//! The model a command works with: one inside the program, or a file.

use std::path::{Path, PathBuf};

use endocast::weights::Model;
use endocast::{Precision, model};

use super::{Failure, cpu};

/// Environment variable that names the model if the command line does not.
const MODEL_VARIABLE: &str = "ENDOCAST_MODEL";

/// `--model` and `--precision`, shared by all commands that run a network.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Choice {
    /// A model inside this program, "default" or "tiny", or a model file; also ENDOCAST_MODEL
    ///
    /// A file that has the name of a model inside is reached by its path: ./tiny.
    #[arg(long, value_name = "NAME|FILE", help_heading = "Model")]
    model: Option<PathBuf>,
    /// Precision of the convolutions: a model is either; auto takes the faster one of those inside
    /// this program, or what the model file has
    #[arg(long, value_enum, default_value_t, help_heading = "Model")]
    precision: Wish,
}

/// The precision asked for.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default)]
enum Wish {
    #[default]
    Auto,
    F32,
    Int8,
}

impl Choice {
    /// The model that `--model` would take by this name or path.
    pub fn of(name_or_file: &Path) -> Choice {
        Choice {
            model: Some(name_or_file.into()),
            ..Choice::default()
        }
    }

    /// What to call the model `name` of this choice: models of different files may share a name.
    pub fn name(&self, name: &str) -> String {
        let stem = self.model.as_ref().and_then(|path| path.file_stem());
        stem.map_or_else(|| name.into(), |stem| stem.to_string_lossy().into_owned())
    }

    /// Opens the model.
    pub fn open(&self) -> Result<Model, Failure> {
        let precision = match self.precision {
            Wish::Auto => None,
            Wish::F32 => Some(Precision::F32),
            Wish::Int8 => Some(Precision::Int8),
        };
        let variable = std::env::var_os(MODEL_VARIABLE).filter(|name| !name.is_empty());
        let variable = || variable.map(PathBuf::from);
        let model = match self.model.clone().or_else(variable) {
            Some(path) if !model::is_inside(&path) => model::file(&path, precision),
            name => model::inside(name.as_deref().and_then(Path::to_str), precision, cpu()?),
        };
        model.map_err(|cause| match cause.exit_code() {
            2 => Failure::Usage(cause.to_string()),
            _ => Failure::Model(cause.to_string()),
        })
    }
}
