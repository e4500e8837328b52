//! The scans of `../shared/data`, which a stranger's checkout does not have.

use std::io::Write;
use std::path::{Path, PathBuf};

/// The folder `name` of the shared data, or `None`, said on standard error, where it is not at hand.
///
/// # Panics
/// Where it is not at hand though `CI` or `ENDOCAST_REQUIRE_SHARED` is set.
pub fn shared(name: &str) -> Option<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = manifest
        .ancestors()
        .find(|folder| folder.join("tests/shared").is_dir());
    let data = root.unwrap_or(manifest).join("../shared/data");
    if data.is_dir() {
        return Some(data.join(name));
    }
    let required = ["CI", "ENDOCAST_REQUIRE_SHARED"];
    let required = required
        .iter()
        .any(|key| std::env::var_os(key).is_some_and(|v| !v.is_empty()));
    assert!(!required, "../shared/data is required but not present");
    // Not `eprintln`, which the test harness hides when a test passes.
    let _ = writeln!(std::io::stderr(), "SKIPPED: ../shared/data not present");
    None
}
