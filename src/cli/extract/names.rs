//! Which names outputs may have: no scan's, no other output's, none that is taken.

use std::collections::{HashMap, HashSet};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use endocast::volume::files;

use super::super::Failure;
use super::super::replace::is_taken;
use super::arguments::Settings;
use super::batch::Job;
use super::outputs::{Outputs, is_stream};

/// Refuses outputs that would replace one another or a scan.
pub fn check(jobs: &[Job]) -> Result<(), Failure> {
    let mut owners: HashMap<PathBuf, &Path> = HashMap::new();
    for job in jobs {
        check_terminal(&job.outputs)?;
        let report = job.outputs.json.as_deref();
        let streams = job.outputs.files().filter(|path| is_stream(path));
        let streams = streams.filter(|path| Some(*path) != report);
        for path in job.outputs.halves().chain(streams.map(PathBuf::from)) {
            let Some(other) = owners.insert(place(&path), &job.input) else {
                continue;
            };
            return Err(Failure::Usage(format!(
                "{}: the output of both {} and {}; in a name {{stem}} and {{dir}} stand for the scan's",
                path.display(),
                other.display(),
                job.input.display()
            )));
        }
    }
    let inputs = jobs.iter().flat_map(Job::inputs).flat_map(files);
    let inputs: HashSet<PathBuf> = inputs.filter_map(|path| path.canonicalize().ok()).collect();
    for path in jobs.iter().flat_map(|job| job.outputs.halves()) {
        if path.canonicalize().is_ok_and(|path| inputs.contains(&path)) {
            let path = path.display();
            return Err(Failure::Usage(format!(
                "{path}: an input, which no output replaces"
            )));
        }
    }
    Ok(())
}

/// The one name of a file that may not be there yet, among the many that its folder may have.
fn place(path: &Path) -> PathBuf {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    match (folder.canonicalize(), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.into(),
    }
}

/// Refuses to replace files, unless asked to.
pub fn check_existing(jobs: &[Job], settings: &Settings) -> Result<(), Failure> {
    if settings.force || settings.skip_existing || settings.writes_nothing() {
        return Ok(());
    }
    let mut files = jobs.iter().flat_map(|job| job.outputs.halves());
    match files.find(|path| is_taken(path)) {
        None => Ok(()),
        Some(path) => Err(Failure::Output(format!(
            "{}: exists; --force replaces it, --skip-existing leaves it",
            path.display()
        ))),
    }
}

/// Refuses to fill a terminal with voxels.
fn check_terminal(outputs: &Outputs) -> Result<(), Failure> {
    let mut images = outputs
        .files()
        .filter(|path| Some(*path) != outputs.json.as_deref());
    if images.any(is_stream) && std::io::stdout().is_terminal() {
        let cause = "standard output is a terminal, which cannot show an image";
        return Err(Failure::Usage(cause.into()));
    }
    Ok(())
}
