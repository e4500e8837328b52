#!/usr/bin/env bash
# Builds the page into a folder. Needs cargo with the target wasm32-unknown-unknown, and npm.
#
#   bindings/wasm/build.sh FOLDER
set -euo pipefail

niivue=0.69.0
mkdir -p "$1"
folder=$(realpath "$1")
cd "$(dirname "$0")"
target=${CARGO_TARGET_DIR:-$(realpath ../..)/target/wasm}
CARGO_TARGET_DIR=$target cargo build --release --locked
packages=$(mktemp -d)
trap 'rm -rf "$packages"' EXIT
npm install --silent --no-save --no-audit --no-fund --prefix "$packages" "@niivue/niivue@$niivue"
cp "$packages/node_modules/@niivue/niivue/dist/index.js" "$folder/niivue.js"
cp "$target/wasm32-unknown-unknown/release/endocast.wasm" page/* "$folder"
