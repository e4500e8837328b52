//! Which scans to validate on, and what their reference masks mean.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::volume::stem;

/// What a reference mask holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reference {
    /// The brain with the fluid around it: scored against the output `brain`.
    #[default]
    Full,
    /// Brain tissue: scored against the output `tissue`, where a model has it.
    Tight,
}

impl Reference {
    /// As in the list.
    pub fn name(self) -> &'static str {
        match self {
            Reference::Full => "full",
            Reference::Tight => "tight",
        }
    }

    /// Name of the network output that is meant.
    pub fn output(self) -> &'static str {
        match self {
            Reference::Full => "brain",
            Reference::Tight => "tissue",
        }
    }
}

/// A scan with its reference mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Unique in the list.
    pub name: String,
    /// The head scan.
    pub scan: PathBuf,
    /// Its reference mask, on the same grid.
    pub mask: PathBuf,
    /// What the mask holds.
    pub reference: Reference,
    /// Contrast of the scan, such as `T1`; empty if not known.
    pub contrast: String,
    /// Where it was made; empty if not known.
    pub site: String,
}

/// Why there is no list.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The list or folder cannot be read.
    Read {
        /// The list or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The list is not as it should be.
    Line {
        /// The list.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        cause: String,
    },
    /// There is nothing to validate on.
    Empty {
        /// The list or folder.
        path: PathBuf,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Read { path, source } => write!(f, "{}: {source}", path.display()),
            Error::Line { path, line, cause } => write!(f, "{}:{line}: {cause}", path.display()),
            Error::Empty { path } => write!(f, "{}: no scan with a reference mask", path.display()),
        }
    }
}

impl std::error::Error for Error {}

/// The cases of a list or a folder.
///
/// A list is text, one scan a line, cells separated by tabs, its first line the columns' names: `scan` and
/// `mask` (paths, from the list's folder), and if wanted `name` (by default the scan's file name without
/// suffix), `reference` (`full` or `tight`, by default full), `contrast` and `site`. Other columns, empty
/// lines and lines that begin with `#` do not count.
///
/// A folder holds folders `images` and `masks` with files of the same names, or scans beside masks named
/// `<scan>_mask` or `<scan>_brain_mask`; all references count as full.
///
/// # Errors
/// A list that cannot be read or used; nothing in it.
pub fn read(path: &Path) -> Result<Vec<Case>, Error> {
    let failed = |source| Error::Read {
        path: path.into(),
        source,
    };
    let cases = if path.is_dir() {
        folder(path).map_err(failed)?
    } else {
        parse(path, &fs::read_to_string(path).map_err(failed)?)?
    };
    if cases.is_empty() {
        return Err(Error::Empty { path: path.into() });
    }
    Ok(cases)
}

/// The file name without suffix.
fn name_of(scan: &Path) -> String {
    stem(scan).to_string_lossy().into_owned()
}

fn parse(path: &Path, text: &str) -> Result<Vec<Case>, Error> {
    let wrong = |line: usize, cause: String| Error::Line {
        path: path.into(),
        line,
        cause,
    };
    let lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line));
    let mut lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let Some((first, header)) = lines.next() else {
        return Ok(Vec::new());
    };
    let columns: Vec<&str> = header.split('\t').map(str::trim).collect();
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut cases: Vec<Case> = Vec::new();
    for (line, text) in lines {
        let cells: Vec<&str> = text.split('\t').map(str::trim).collect();
        let cell = |name: &str| {
            let column = columns.iter().position(|column| *column == name)?;
            cells.get(column).copied().filter(|cell| !cell.is_empty())
        };
        let file = |name: &str| {
            let at = if columns.contains(&name) { line } else { first };
            let found = cell(name).ok_or_else(|| wrong(at, format!("no {name}")))?;
            Ok(folder.join(found))
        };
        let scan = file("scan")?;
        let case = Case {
            name: cell("name").map_or_else(|| name_of(&scan), str::to_string),
            mask: file("mask")?,
            scan,
            reference: match cell("reference") {
                None | Some("full") => Reference::Full,
                Some("tight") => Reference::Tight,
                Some(other) => {
                    let cause = format!("reference is '{other}', neither 'full' nor 'tight'");
                    return Err(wrong(line, cause));
                }
            },
            contrast: cell("contrast").unwrap_or_default().into(),
            site: cell("site").unwrap_or_default().into(),
        };
        if cases.iter().any(|other| other.name == case.name) {
            return Err(wrong(line, format!("a second scan named '{}'", case.name)));
        }
        cases.push(case);
    }
    Ok(cases)
}

fn folder(path: &Path) -> io::Result<Vec<Case>> {
    let (images, masks) = (path.join("images"), path.join("masks"));
    let apart = images.is_dir() && masks.is_dir();
    let mut scans: Vec<PathBuf> = fs::read_dir(if apart { &images } else { path })?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()?;
    scans.sort();
    let mut cases: Vec<Case> = Vec::new();
    for scan in scans {
        let name = name_of(&scan);
        let names: Vec<String> = scans_masks(&name, &scan, apart);
        let folder = if apart { &masks } else { path };
        let mask = names
            .iter()
            .map(|name| folder.join(name))
            .find(|mask| mask.is_file());
        // Of a pair of .hdr and .img, the second would repeat the first.
        let new = cases.last().is_none_or(|last| last.name != name);
        if let (Some(mask), true) = (mask, new) {
            cases.push(Case {
                name,
                scan,
                mask,
                reference: Reference::Full,
                contrast: String::new(),
                site: String::new(),
            });
        }
    }
    Ok(cases)
}

/// File names that the mask of a scan may have.
fn scans_masks(name: &str, scan: &Path, apart: bool) -> Vec<String> {
    let suffixes = [".nii.gz", ".nii", ".hdr"];
    let with = |middle: &str| suffixes.map(|suffix| format!("{name}{middle}{suffix}"));
    let own = scan
        .file_name()
        .map(|own| own.to_string_lossy().into_owned());
    if apart {
        own.into_iter().chain(with("")).collect()
    } else {
        with("_mask")
            .into_iter()
            .chain(with("_brain_mask"))
            .collect()
    }
}
