//! Participant level: masks, brains, sidecars and pictures.

use std::path::{Path, PathBuf};

use super::super::extract::{Job, Outputs, Settings, run_batch};
use super::super::{Failure, json};
use super::dataset::{Dataset, Image};

/// The version of the standard that the names and fields follow.
const BIDS_VERSION: &str = "1.9.0";

/// Files that the standard does not know.
const IGNORED: &str = "*.html\nfigures\ngroup_*.tsv\n";

const README: &str =
    "Brain masks (desc-brain_mask) and brains (desc-brain) that endocast extracted.\n";

/// Extracts the brains of `images`, resuming what an earlier run began.
pub fn run(
    dataset: &Dataset,
    images: &[Image],
    output: &Path,
    settings: &Settings,
) -> Result<(), Failure> {
    if !settings.writes_nothing() {
        describe(dataset, output)?;
    }
    let jobs: Vec<Job> = images
        .iter()
        .map(|image| Job {
            input: dataset.root.join(&image.path),
            channels: Vec::new(),
            source: image.uri(),
            outputs: Outputs {
                mask: Some(image.mask(output)),
                brain: Some(image.brain(output)),
                qc: Some(image.picture(output)),
                sidecar: Some(image.sidecar(output)),
                make_folders: true,
                ..Outputs::default()
            },
        })
        .collect();
    let settings = Settings {
        skip_existing: !settings.force,
        ..settings.clone()
    };
    let done = run_batch(jobs, None, &settings);
    if !settings.writes_nothing() {
        for image in images.iter().filter(|image| image.brain(output).is_file()) {
            describe_brain(image, output)?;
        }
    }
    done
}

/// Writes the files that every dataset has, unless they are there.
fn describe(dataset: &Dataset, output: &Path) -> Result<(), Failure> {
    let failed = |path: &Path, cause: std::io::Error| {
        Failure::Output(format!("{}: cannot write: {cause}", path.display()))
    };
    std::fs::create_dir_all(output).map_err(|cause| failed(output, cause))?;
    let link = relative(&dataset.root, output)
        .map_err(|cause| failed(output, cause))?
        .display()
        .to_string();
    let description = json::object([
        ("Name", "Brain masks by endocast".into()),
        ("BIDSVersion", BIDS_VERSION.into()),
        ("DatasetType", "derivative".into()),
        (
            "GeneratedBy",
            json::Value::Array(vec![json::object([
                ("Name", "endocast".into()),
                ("Version", env!("CARGO_PKG_VERSION").into()),
            ])]),
        ),
        (
            "SourceDatasets",
            json::Value::Array(vec![json::object([("URL", link.as_str().into())])]),
        ),
        (
            "DatasetLinks",
            json::object([("raw", link.as_str().into())]),
        ),
        ("License", "as the source dataset".into()),
    ]);
    let path = output.join("dataset_description.json");
    if !path.exists() {
        json::write(&path, &description)?;
    }
    for (name, text) in [(".bidsignore", IGNORED), ("README", README)] {
        let path = output.join(name);
        if !path.exists() {
            let written = endocast::output::write(&path, |file| write!(file, "{text}"));
            written.map_err(|cause| failed(&path, cause))?;
        }
    }
    Ok(())
}

/// Says of a brain image that its skull is gone, and where it came from.
fn describe_brain(image: &Image, output: &Path) -> Result<(), Failure> {
    let source = json::Value::from(image.uri());
    let fields = json::object([
        (
            "Description",
            "The scan with everything but the brain removed".into(),
        ),
        ("SkullStripped", json::Value::Bool(true)),
        ("Sources", json::Value::Array(vec![source.clone()])),
        ("SpatialReference", source),
    ]);
    json::write(&image.brain_sidecar(output), &fields)
}

/// The path that leads from the folder `from` to `target`, both of which exist.
fn relative(target: &Path, from: &Path) -> std::io::Result<PathBuf> {
    let (target, from) = (target.canonicalize()?, from.canonicalize()?);
    let shared = target.iter().zip(&from).take_while(|(a, b)| a == b).count();
    let up = from.iter().skip(shared).map(|_| "..".as_ref());
    Ok(up.chain(target.iter().skip(shared)).collect())
}
