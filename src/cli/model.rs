//! The model a command works with: one inside the program, or a file.

use std::path::{Path, PathBuf};

use endocast::Precision;
use endocast::weights::Model;

use super::Failure;

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
        let variable = || std::env::var_os(MODEL_VARIABLE).map(PathBuf::from);
        let path = match self.model.clone().or_else(variable) {
            None => return embedded(None, precision),
            Some(name) if is_embedded(&name) => return embedded(name.to_str(), precision),
            Some(path) => path,
        };
        // Read, not mapped: whatever happens to the file later does not concern this process.
        let model = Model::open(&path);
        let model = model.map_err(|cause| Failure::model(path.display(), cause))?;
        let found = Precision::of(&model);
        match precision {
            Some(wanted) if wanted != found => Err(Failure::Usage(format!(
                "{}: the model is {}, not {}",
                path.display(),
                found.name(),
                wanted.name()
            ))),
            _ => Ok(model),
        }
    }
}

#[cfg(feature = "embedded-model")]
fn is_embedded(name: &Path) -> bool {
    let models = endocast::embedded::MODELS.iter();
    models.map(|model| model.name).any(|known| name == known)
}

#[cfg(feature = "embedded-model")]
fn embedded(name: Option<&str>, precision: Option<Precision>) -> Result<Model, Failure> {
    use endocast::embedded::{DEFAULT, find};
    let name = name.unwrap_or(DEFAULT);
    let found = find(name, precision, super::cpu()?);
    let found = found.ok_or_else(|| {
        let wanted = precision.map_or("", Precision::name);
        Failure::Usage(format!(
            "this program has no {wanted} model \"{name}\" inside"
        ))
    })?;
    found
        .open()
        .map_err(|cause| Failure::model("the built-in model", cause))
}

#[cfg(not(feature = "embedded-model"))]
fn is_embedded(_: &Path) -> bool {
    false
}

#[cfg(not(feature = "embedded-model"))]
fn embedded(_: Option<&str>, _: Option<Precision>) -> Result<Model, Failure> {
    Err(Failure::Usage(
        "this build has no model inside: name a file with --model".into(),
    ))
}
