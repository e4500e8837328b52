//! The model a command works with: the one inside the program, or a file.

use std::path::{Path, PathBuf};

use endocast::weights::Model;

use super::Failure;

/// Environment variable that names the model file if the command line does not.
const MODEL_VARIABLE: &str = "ENDOCAST_MODEL";

/// `--model FILE`, shared by all commands that run a network.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Choice {
    /// Model file to use instead of the one inside this program; also ENDOCAST_MODEL
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
}

impl Choice {
    /// The model in a file.
    pub fn file(path: &Path) -> Choice {
        Choice {
            model: Some(path.into()),
        }
    }

    /// What to call the model `name` of this choice: models of different files may share a name.
    pub fn name(&self, name: &str) -> String {
        let stem = self.model.as_ref().and_then(|path| path.file_stem());
        stem.map_or_else(|| name.into(), |stem| stem.to_string_lossy().into_owned())
    }

    /// Opens the model.
    pub fn open(&self) -> Result<Model, Failure> {
        let variable = || std::env::var_os(MODEL_VARIABLE).map(PathBuf::from);
        match self.model.clone().or_else(variable) {
            Some(path) => {
                // SAFETY: docs/security.md states that a model file must not change while a command
                // uses it.
                let model = unsafe { Model::map(&path) };
                model.map_err(|cause| Failure::model(path.display(), cause))
            }
            #[cfg(feature = "embedded-model")]
            None => endocast::embedded_model()
                .map_err(|cause| Failure::model("the built-in model", cause)),
            #[cfg(not(feature = "embedded-model"))]
            None => Err(Failure::Usage(
                "this build has no model inside: name one with --model".into(),
            )),
        }
    }
}
