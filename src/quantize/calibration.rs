//! The scans that a network is quantised on.

use std::fs;
use std::path::{Path, PathBuf};

use endocast_weights::Model;

use super::Error;
use crate::extract::prepare;
use crate::volume::{FourD, Scan};

/// Fewest scans: one alone says nothing about the next.
pub const MIN_SCANS: usize = 3;

/// Scans on a network's grid.
#[derive(Debug)]
pub struct Calibration {
    /// In the order of their names.
    pub scans: Vec<Prepared>,
}

/// One scan, ready for the network.
#[derive(Debug)]
pub struct Prepared {
    /// The file.
    pub path: PathBuf,
    /// `[depth][height][width]`.
    pub image: Vec<f32>,
}

impl Calibration {
    /// Reads every NIfTI file of `folder` (not of folders in it) and prepares it as `model` wants it.
    ///
    /// # Errors
    /// Fewer than [`MIN_SCANS`] files; a file that cannot be read, has several volumes, or has no
    /// contrast; a network that reads several images at once.
    pub fn read(folder: &Path, model: &Model) -> Result<Calibration, Error> {
        let failed = |cause| Error::Folder {
            folder: folder.into(),
            cause,
        };
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if is_scan(&path) {
                paths.push(path);
            }
        }
        paths.sort();
        if paths.len() < MIN_SCANS {
            return Err(Error::TooFew {
                folder: folder.into(),
                found: paths.len(),
                needed: MIN_SCANS,
            });
        }
        let scans = paths.into_iter().map(|path| read(path, model));
        Ok(Calibration {
            scans: scans.collect::<Result<_, _>>()?,
        })
    }
}

fn is_scan(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_ascii_lowercase();
    let endings = [".nii", ".nii.gz", ".hdr", ".hdr.gz"];
    !name.starts_with('.') && endings.iter().any(|ending| name.ends_with(ending))
}

fn read(path: PathBuf, model: &Model) -> Result<Prepared, Error> {
    let scan = Scan::read(&path, FourD::First)?;
    let expected = model.graph().input_channels();
    if scan.volumes() != 1 || expected != 1 {
        return Err(Error::Channels {
            path,
            found: scan.volumes(),
            expected,
        });
    }
    match prepare(&model.preprocessing().route, &[&scan]) {
        Ok((image, _)) => Ok(Prepared { path, image }),
        Err(cause) => Err(Error::Prepare { path, cause }),
    }
}
