//! The model a command works with: the one inside the program, or a file.

use std::path::{Path, PathBuf};

use endocast::Precision;
use endocast::weights::Model;

use super::Failure;

/// Environment variable that names the model file if the command line does not.
const MODEL_VARIABLE: &str = "ENDOCAST_MODEL";

/// `--model FILE` and `--precision`, shared by all commands that run a network.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Choice {
    /// Model file to use instead of the one inside this program; also ENDOCAST_MODEL
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Precision of the convolutions: a model is either; auto takes the faster one of those inside
    /// this program, or what the model file has
    #[arg(long, value_enum, default_value_t)]
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
    /// The model in a file.
    pub fn file(path: &Path) -> Choice {
        Choice {
            model: Some(path.into()),
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
        let Some(path) = self.model.clone().or_else(variable) else {
            return embedded(precision);
        };
        // SAFETY: docs/security.md states that a model file must not change while a command uses it.
        let model = unsafe { Model::map(&path) };
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
fn embedded(precision: Option<Precision>) -> Result<Model, Failure> {
    use endocast::embedded::{DEFAULT, find};
    let found = find(DEFAULT, precision, super::cpu()?);
    let found = found.ok_or_else(|| {
        let wanted = precision.map_or("", Precision::name);
        Failure::Usage(format!("this program has no {wanted} model inside"))
    })?;
    found
        .open()
        .map_err(|cause| Failure::model("the built-in model", cause))
}

#[cfg(not(feature = "embedded-model"))]
fn embedded(_: Option<Precision>) -> Result<Model, Failure> {
    Err(Failure::Usage(
        "this build has no model inside: name one with --model".into(),
    ))
}
