//! Files that are there already.

use std::path::Path;

use super::Failure;

/// `--force`, shared by the commands that write a file or two.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct Replace {
    /// Replace outputs that exist
    #[arg(long)]
    force: bool,
}

impl Replace {
    /// Refuses to replace `path`, unless asked to. "-" is standard output.
    pub fn check(self, path: &Path) -> Result<(), Failure> {
        if self.force || path == Path::new("-") || !is_taken(path) {
            return Ok(());
        }
        let path = path.display();
        Err(Failure::Output(format!(
            "{path}: exists; --force replaces it"
        )))
    }
}

/// Whether a name is taken, be it by a link to nowhere. Folders are told of when they are to be written.
pub fn is_taken(path: &Path) -> bool {
    path.symlink_metadata().is_ok() && !path.is_dir()
}
