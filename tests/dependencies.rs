//! The library stays small.

use std::collections::BTreeSet;
use std::process::Command;

/// Crates in the library with its model, ours included.
const MOST: usize = 25;

#[test]
fn the_library_has_few_crates() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline", "--edges", "normal"])
        .args(["--no-default-features", "--features", "embedded-model"])
        .args(["--prefix", "none", "--no-dedupe", "--format", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{tree:?}");
    let tree = String::from_utf8(tree.stdout).unwrap();
    let crates: BTreeSet<&str> = tree.lines().collect();
    assert!(
        crates
            .iter()
            .any(|name| name.starts_with("endocast-kernels "))
    );
    assert!(crates.len() <= MOST, "{}: {crates:#?}", crates.len());
}
