//! Where the results of a scan go.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use endocast::surface;
use endocast::volume::{check_output_name, files, stem};

use super::super::Failure;
use super::arguments::Templates;

/// The name of standard input and output.
pub const STANDARD_STREAM: &str = "-";

/// Whether a path stands for standard input or output.
pub fn is_stream(path: &Path) -> bool {
    path == Path::new(STANDARD_STREAM)
}

/// Files to write for one scan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outputs {
    pub brain: Option<PathBuf>,
    pub mask: Option<PathBuf>,
    pub prob: Option<PathBuf>,
    pub sdt: Option<PathBuf>,
    pub crop: Option<PathBuf>,
    pub mesh: Option<PathBuf>,
    pub qc: Option<PathBuf>,
    pub json: Option<PathBuf>,
    pub sidecar: Option<PathBuf>,
    /// Whether to make the folders of all of them.
    pub make_folders: bool,
}

impl Outputs {
    /// The names that `templates` give for `input`; without any, brain and mask beside it.
    pub fn new(templates: &Templates, input: &Path) -> Result<Outputs, Failure> {
        let name = |template: &Option<PathBuf>| template.as_ref().map(|t| expand(t, input));
        let mut outputs = Outputs {
            brain: name(&templates.brain),
            mask: name(&templates.mask),
            prob: name(&templates.prob),
            sdt: name(&templates.sdt),
            crop: name(&templates.crop),
            mesh: name(&templates.mesh),
            qc: name(&templates.qc),
            json: name(&templates.json),
            sidecar: None,
            make_folders: templates.out_dir.is_some(),
        };
        let only_report = outputs
            .files()
            .all(|path| Some(path) == outputs.json.as_deref());
        if only_report || templates.out_dir.is_some() {
            if is_stream(input) {
                let cause = "say with --brain or --mask where the result of standard input goes";
                return Err(Failure::Usage(cause.into()));
            }
            let chosen = name(&templates.out_dir);
            let folder = chosen.as_deref().or(input.parent());
            let sibling = |ending: &str| {
                let mut name = stem(input);
                name.push(ending);
                Some(folder.unwrap_or(Path::new("")).join(name))
            };
            outputs.brain = sibling("_brain.nii.gz");
            outputs.mask = sibling("_brain_mask.nii.gz");
        }
        if templates.sidecar {
            let described = [&outputs.mask, &outputs.brain, &outputs.crop];
            let described = described
                .into_iter()
                .flatten()
                .find(|path| !is_stream(path));
            let described = described.ok_or_else(|| {
                Failure::Usage("--sidecar needs a mask or a brain in a file".into())
            })?;
            let mut name = stem(described);
            name.push(".json");
            outputs.sidecar = Some(described.with_file_name(name));
        }
        outputs.check_names()?;
        Ok(outputs)
    }

    /// Images on the voxel grid.
    fn images(&self) -> impl Iterator<Item = &Path> {
        let images = [&self.brain, &self.mask, &self.prob, &self.sdt, &self.crop];
        images.into_iter().flatten().map(PathBuf::as_path)
    }

    /// Everything, standard output included.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let others = [&self.mesh, &self.qc, &self.json, &self.sidecar];
        let others = others.into_iter().flatten().map(PathBuf::as_path);
        self.images().chain(others)
    }

    /// Everything that is a file of its own.
    pub fn on_disk(&self) -> impl Iterator<Item = &Path> {
        self.files().filter(|path| !is_stream(path))
    }

    /// [`Outputs::on_disk`] with both halves of pairs of files.
    pub fn halves(&self) -> impl Iterator<Item = PathBuf> {
        self.on_disk().flat_map(files)
    }

    /// Whether all of them are there already.
    pub fn exist(&self) -> bool {
        let is_there = |path| {
            let files = files(path);
            let found = files.iter().filter(|path| path.exists()).count();
            found >= files.len().min(2)
        };
        self.on_disk().next().is_some() && self.on_disk().all(is_there)
    }

    /// Refuses names that no format goes with, and two outputs of one name.
    pub fn check_names(&self) -> Result<(), Failure> {
        for path in self.images().filter(|path| !is_stream(path)) {
            check_output_name(path).map_err(|cause| Failure::Output(cause.to_string()))?;
        }
        if let Some(path) = &self.mesh {
            surface::Format::of(path).map_err(|cause| Failure::Output(cause.to_string()))?;
        }
        let mut others = self.mesh.iter().chain(&self.qc).chain(&self.sidecar);
        if others.any(|path| is_stream(path)) {
            let cause = "surfaces and pictures do not go to standard output";
            return Err(Failure::Usage(cause.into()));
        }
        let mut seen: Vec<PathBuf> = Vec::new();
        for path in self.files() {
            if files(path).iter().any(|file| seen.contains(file)) {
                let path = path.display();
                return Err(Failure::Usage(format!("{path}: named for two outputs")));
            }
            seen.extend(files(path));
        }
        Ok(())
    }

    /// Makes folders, and refuses outputs that could not be written in the end,
    /// before any work is done or any file is written.
    pub fn check_writable(&self) -> Result<(), Failure> {
        let failed = |path: &Path, cause: std::io::Error| {
            Failure::Output(format!("{}: cannot write: {cause}", path.display()))
        };
        for path in self.on_disk() {
            if let Some(folder) = path.parent().filter(|_| self.make_folders) {
                std::fs::create_dir_all(folder).map_err(|cause| failed(folder, cause))?;
            }
            endocast::output::check(path).map_err(|cause| failed(path, cause))?;
        }
        Ok(())
    }
}

/// `template` with `{stem}` and `{dir}` replaced by the parts of `input`'s path.
pub fn expand(template: &Path, input: &Path) -> PathBuf {
    let Some(text) = template.to_str() else {
        return template.into();
    };
    let folder = match input.parent() {
        Some(folder) if folder != Path::new("") => folder.as_os_str(),
        _ => OsStr::new("."),
    };
    let stem = stem(input);
    let mut expanded = OsString::new();
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let (before, after) = rest.split_at(at);
        expanded.push(before);
        let (word, value) = [("{stem}", stem.as_os_str()), ("{dir}", folder)]
            .into_iter()
            .find(|(word, _)| after.starts_with(word))
            .unwrap_or(("{", OsStr::new("{")));
        expanded.push(value);
        rest = &after[word.len()..];
    }
    expanded.push(rest);
    expanded.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_take_parts_of_the_input() {
        for (template, input, expected) in [
            ("{dir}/{stem}_m.nii", "a/b/head.nii.gz", "a/b/head_m.nii"),
            ("{dir}/{stem}.nii", "head.mgz", "./head.nii"),
            ("out/{stem}-{stem}.nii", "x/a.v2.nii", "out/a.v2-a.v2.nii"),
            ("{other}{", "a.nii", "{other}{"),
            ("plain.nii", "a.nii", "plain.nii"),
        ] {
            assert_eq!(
                expand(Path::new(template), Path::new(input)),
                Path::new(expected)
            );
        }
    }
}
