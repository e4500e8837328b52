#!/usr/bin/env bash
# A programmer who puts the engine into a Rust program: a new crate, the example of the README's library,
# the mask of the command. `tests/c.sh`, `tests/python.sh` and `tests/wasm.sh` are the same for C, Python
# and the browser.
#
#   tests/newcomers/embedder.sh ENDOCAST
set -euo pipefail

endocast=$(realpath "$1")
repository=$(realpath "$(dirname "$0")/../..")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 "$repository/tests/head.py" head.nii.gz

mkdir -p viewer/src
cp "$repository/examples/extract.rs" viewer/src/main.rs
cat >viewer/Cargo.toml <<END
[package]
name = "viewer"
version = "0.1.0"
edition = "2024"

[dependencies]
endocast = { path = "$repository", default-features = false, features = ["embedded-model"] }
END
cp "$repository/Cargo.lock" viewer
cargo run --quiet --release --manifest-path viewer/Cargo.toml \
    --target-dir "$repository/target/newcomer" -- head.nii.gz mask.nii.gz
"$endocast" head.nii.gz -m expected.nii.gz
cmp mask.nii.gz expected.nii.gz
echo "embedder: a program of one's own with the mask of the command"
