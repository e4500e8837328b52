//! A BIDS dataset on disk, and the names of what is derived from its images.

use std::path::{Path, PathBuf};

use super::super::Failure;

/// A folder with a `dataset_description.json`.
pub struct Dataset {
    /// The folder.
    pub root: PathBuf,
}

/// Which images of a dataset to take; an empty list takes all.
pub struct Selection<'a> {
    pub participants: &'a [String],
    pub sessions: &'a [String],
    pub suffixes: &'a [String],
}

/// An anatomical image.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// `sub-<label>`.
    pub participant: String,
    /// `ses-<label>`, if the dataset has sessions.
    pub session: Option<String>,
    /// Entities of the name, without suffix: `sub-01_ses-1_run-2`.
    pub entities: String,
    /// Kind of image, such as `T1w`.
    pub suffix: String,
    /// Path from the root of the dataset.
    pub path: PathBuf,
}

impl Dataset {
    /// The dataset in `root`.
    pub fn open(root: &Path) -> Result<Dataset, Failure> {
        if !root.join("dataset_description.json").is_file() {
            let cause = "not a BIDS dataset: dataset_description.json is absent";
            return Err(Failure::input(root, cause));
        }
        Ok(Dataset { root: root.into() })
    }

    /// The anatomical images that are selected, in order of their names. A participant that is
    /// named but not there is an error.
    pub fn images(&self, selection: &Selection) -> Result<Vec<Image>, Failure> {
        let all = folders(&self.root, "sub-")?;
        let wanted = labels(selection.participants, "sub-");
        if let Some(absent) = wanted.iter().find(|name| !all.contains(name)) {
            return Err(Failure::input(
                &self.root,
                format!("no participant {absent}"),
            ));
        }
        let sessions = labels(selection.sessions, "ses-");
        let mut images = Vec::new();
        for participant in all
            .iter()
            .filter(|name| wanted.is_empty() || wanted.contains(name))
        {
            let folder = PathBuf::from(participant);
            if sessions.is_empty() {
                self.add(&folder, participant, None, selection, &mut images)?;
            }
            for session in folders(&self.root.join(&folder), "ses-")? {
                if sessions.is_empty() || sessions.contains(&session) {
                    let folder = folder.join(&session);
                    self.add(&folder, participant, Some(session), selection, &mut images)?;
                }
            }
        }
        if images.is_empty() {
            let cause = format!("no {} image is there", selection.suffixes.join(" or "));
            return Err(Failure::input(&self.root, cause));
        }
        Ok(images)
    }

    fn add(
        &self,
        folder: &Path,
        participant: &str,
        session: Option<String>,
        selection: &Selection,
        images: &mut Vec<Image>,
    ) -> Result<(), Failure> {
        let folder = folder.join("anat");
        if !self.root.join(&folder).is_dir() {
            return Ok(());
        }
        for name in names(&self.root.join(&folder))? {
            let bare = name.strip_suffix(".nii.gz").or(name.strip_suffix(".nii"));
            let Some((entities, suffix)) = bare.and_then(|bare| bare.rsplit_once('_')) else {
                continue;
            };
            // What has a description is derived: the standard knows none of raw images.
            let is_raw = !entities
                .split('_')
                .any(|entity| entity.starts_with("desc-"));
            if is_raw && selection.suffixes.iter().any(|wanted| wanted == suffix) {
                images.push(Image {
                    participant: participant.into(),
                    session: session.clone(),
                    entities: entities.into(),
                    suffix: suffix.into(),
                    path: folder.join(&name),
                });
            }
        }
        Ok(())
    }
}

impl Image {
    /// Folder of the participant or the session in a derivative dataset.
    fn folder(&self, output: &Path) -> PathBuf {
        let folder = output.join(&self.participant);
        match &self.session {
            Some(session) => folder.join(session),
            None => folder,
        }
    }

    /// Name of the mask without suffix. A space tells the masks of different kinds of images apart,
    /// except that of the T1w image, which has the usual name.
    fn mask_stem(&self) -> String {
        let space = match self.suffix.as_str() {
            "T1w" => String::new(),
            suffix => format!("_space-{suffix}"),
        };
        format!("{}{space}_desc-brain_mask", self.entities)
    }

    /// The mask in a derivative dataset.
    pub fn mask(&self, output: &Path) -> PathBuf {
        let name = format!("{}.nii.gz", self.mask_stem());
        self.folder(output).join("anat").join(name)
    }

    /// The mask's sidecar.
    pub fn sidecar(&self, output: &Path) -> PathBuf {
        let name = format!("{}.json", self.mask_stem());
        self.folder(output).join("anat").join(name)
    }

    /// The brain in a derivative dataset.
    pub fn brain(&self, output: &Path) -> PathBuf {
        let name = format!("{}_desc-brain_{}.nii.gz", self.entities, self.suffix);
        self.folder(output).join("anat").join(name)
    }

    /// The brain's sidecar.
    pub fn brain_sidecar(&self, output: &Path) -> PathBuf {
        let name = format!("{}_desc-brain_{}.json", self.entities, self.suffix);
        self.folder(output).join("anat").join(name)
    }

    /// The picture in a derivative dataset.
    pub fn picture(&self, output: &Path) -> PathBuf {
        let name = format!("{}.png", self.mask_stem());
        output.join(&self.participant).join("figures").join(name)
    }

    /// The image as a BIDS URI into the dataset called `raw`.
    pub fn uri(&self) -> String {
        let parts: Vec<_> = self
            .path
            .iter()
            .map(|part| part.to_string_lossy())
            .collect();
        format!("bids:raw:{}", parts.join("/"))
    }
}

fn labels(labels: &[String], prefix: &str) -> Vec<String> {
    let bare = |label: &String| label.strip_prefix(prefix).unwrap_or(label).to_string();
    labels
        .iter()
        .map(|label| format!("{prefix}{}", bare(label)))
        .collect()
}

/// Sorted names of the folders in `folder` that begin with `prefix`.
fn folders(folder: &Path, prefix: &str) -> Result<Vec<String>, Failure> {
    let mut names = names(folder)?;
    names.retain(|name| name.starts_with(prefix) && folder.join(name).is_dir());
    Ok(names)
}

/// Sorted names in a folder; those that are not UTF-8 are no BIDS names.
fn names(folder: &Path) -> Result<Vec<String>, Failure> {
    let failed = |cause: std::io::Error| Failure::input(folder, cause);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        if let Ok(name) = entry.map_err(failed)?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}
