//! The library stays small, and the licences of the program's crates are known.

use std::collections::BTreeSet;
use std::process::Command;

/// Crates in the library with its model, ours included.
const MOST: usize = 25;

#[test]
fn the_library_has_few_crates() {
    let crates = crates(&[
        "--edges=normal",
        "--no-default-features",
        "--features=embedded-model",
    ]);
    assert!(
        crates
            .iter()
            .any(|name| name.starts_with("endocast-kernels "))
    );
    assert!(crates.len() <= MOST, "{}: {crates:#?}", crates.len());
}

/// Where the command is not built, its crates may be absent.
#[cfg(feature = "cli")]
#[test]
fn third_party_md_lists_the_crates_of_the_program() {
    let listed: BTreeSet<String> = include_str!("../THIRD-PARTY.md")
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let [_, name, version, _, systems, _] = cells[..] else {
                return None;
            };
            let here = systems.is_empty() || systems.contains(std::env::consts::OS);
            here.then(|| format!("{name} v{version}"))
        })
        .collect();
    let mut linked = crates(&["--edges=normal,no-proc-macro"]);
    linked.retain(|name| !name.starts_with("endocast"));
    let wrong: Vec<&String> = linked.symmetric_difference(&listed).collect();
    assert!(
        wrong.is_empty(),
        "in the program or in THIRD-PARTY.md, not in both: {wrong:?}; \
         `python tools/py/third_party.py` writes that file anew"
    );
}

/// Names and versions of our package's crates on this system.
fn crates(arguments: &[&str]) -> BTreeSet<String> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--offline"])
        .args(["--prefix", "none", "--no-dedupe", "--format", "{p}"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{tree:?}");
    let tree = String::from_utf8(tree.stdout).unwrap();
    tree.lines().map(str::to_string).collect()
}
