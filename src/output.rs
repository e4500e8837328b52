//! Files that appear under their name only when they are complete.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::{Compression, GzBuilder};

/// Fixed, as are the other fields of the gzip header, so that equal voxels give equal files. Of
/// the levels, 1 is several times faster than the usual 6 for scans that come out a few per cent
/// larger.
const COMPRESSION: Compression = Compression::fast();

const BUFFER_LEN: usize = 1 << 17;

/// A written file that waits under a temporary name in its folder. Dropping it removes the file.
pub(crate) struct Pending {
    temporary: PathBuf,
    target: PathBuf,
    published: bool,
}

impl Pending {
    /// Writes what `body` produces, compressed if `gzip`, and waits until it is on the disk.
    pub(crate) fn write(
        target: &Path,
        gzip: bool,
        body: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<Pending> {
        let (temporary, file) = create_beside(target)?;
        let pending = Pending {
            temporary,
            target: target.into(),
            published: false,
        };
        let mut buffered = BufWriter::with_capacity(BUFFER_LEN, file);
        if gzip {
            let mut encoder = GzBuilder::new().write(buffered, COMPRESSION);
            body(&mut encoder)?;
            buffered = encoder.finish()?;
        } else {
            body(&mut buffered)?;
        }
        buffered.into_inner()?.sync_all()?;
        Ok(pending)
    }

    /// Gives the file its final name, replacing a file that has it.
    fn publish(&mut self) -> io::Result<()> {
        fs::rename(&self.temporary, &self.target)?;
        self.published = true;
        sync_folder(&self.target);
        Ok(())
    }
}

/// Writes what `body` produces to `target`: complete, or not at all.
///
/// # Errors
/// Those of `body` and of the file system; nothing is left under the name then.
pub fn write(target: &Path, body: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    publish([Pending::write(target, false, body)?])
}

/// Checks that a file can be written to `target`, by writing an empty one beside it and removing that.
///
/// # Errors
/// Those of the file system.
pub fn check(target: &Path) -> io::Result<()> {
    if target.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    Pending::write(target, false, |_| Ok(())).map(drop)
}

/// Publishes files that belong together. If one cannot be, those before it are removed again.
pub(crate) fn publish<const N: usize>(mut files: [Pending; N]) -> io::Result<()> {
    let result = files.iter_mut().try_for_each(Pending::publish);
    if result.is_err() {
        for file in files.iter().filter(|file| file.published) {
            // The error that led here is the one to report.
            let _ = fs::remove_file(&file.target);
        }
    }
    result
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.published {
            // The error that led here is the one to report.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

/// Creates a file with an unused hidden name in the target's folder.
fn create_beside(target: &Path) -> io::Result<(PathBuf, File)> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    loop {
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let path = target.with_file_name(format!(".endocast-{}-{count}.tmp", process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            result => return result.map(|file| (path, file)),
        }
    }
}

/// Makes a rename in the target's folder durable, where the system can: not every file system
/// synchronises folders, and the file is complete without.
fn sync_folder(target: &Path) {
    let folder = match target.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    if cfg!(unix) {
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
}
