//! `endocast convert`: a training checkpoint in, a model file out.

use std::path::PathBuf;

use endocast::weights::Precision;
use endocast_tools as tools;

use super::Failure;
use super::replace::Replace;

/// Command line of `convert`.
#[derive(clap::Args)]
pub struct Arguments {
    /// Checkpoint: PyTorch .pt or .pth (both forms), Lightning .ckpt, .safetensors, or a TensorFlow.js
    /// model.json
    checkpoint: PathBuf,
    /// Model file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    replace: Replace,
    /// Name of the model
    #[arg(long)]
    name: Option<String>,
    /// Licence of the weights, as an SPDX expression
    #[arg(long)]
    license: Option<String>,
    /// How scans reach the network, such as "route=brainmage-single grid=128 outputs=brain
    /// threshold=0.9"; by default as the architecture was trained
    #[arg(long, value_name = "TEXT")]
    preprocessing: Option<String>,
    /// Store the convolutions' weights in half precision
    #[arg(long)]
    half: bool,
}

/// Converts, and says what was recognised.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let output = &arguments.output;
    arguments.replace.check(output)?;
    let preprocessing = arguments
        .preprocessing
        .as_deref()
        .map(str::parse)
        .transpose();
    let options = tools::Options {
        name: arguments.name.clone(),
        license: arguments.license.clone(),
        preprocessing: preprocessing.map_err(
            |cause: endocast::weights::preprocessing::PreprocessingError| {
                Failure::Usage(cause.to_string())
            },
        )?,
        precision: if arguments.half {
            Precision::Half
        } else {
            Precision::Single
        },
    };
    let converted =
        tools::convert(&arguments.checkpoint, &options).map_err(|cause| match cause {
            // Names the file itself.
            tools::Error::Io { .. } => Failure::Input(cause.to_string()),
            _ => Failure::input(&arguments.checkpoint, cause),
        })?;
    endocast::output::write(output, |file| file.write_all(&converted.bytes))
        .map_err(|cause| Failure::Output(format!("{}: cannot write: {cause}", output.display())))?;
    outln!(
        "{}: {}",
        arguments.checkpoint.display(),
        converted.architecture
    );
    if let Some(published) = converted.published {
        outln!("this is the published {}", published.name);
    }
    for note in &converted.notes {
        outln!("note: {note}");
    }
    outln!(
        "wrote {}, {} bytes",
        output.display(),
        converted.bytes.len()
    );
    Ok(())
}
