#!/usr/bin/env bash
# Builds the page, runs the trials of the kernels in WebAssembly, and compares masks with those of the
# command's portable kernels: in Node on a synthetic head and a scan, and in headless Chromium.
#
#   tests/wasm.sh ENDOCAST SCAN.nii.gz
set -euo pipefail

endocast=$(realpath "$1")
scan=$(realpath "$2")
cd "$(dirname "$0")/../bindings/wasm"
for tool in node npm; do
    if ! command -v "$tool" >/dev/null; then
        echo "SKIPPED: $tool is not installed" >&2
        exit 0
    fi
done
for target in wasm32-unknown-unknown wasm32-wasip1; do
    if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target" ]; then
        echo "SKIPPED: the target is missing (rustup target add $target)" >&2
        exit 0
    fi
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

export CARGO_TARGET_DIR=$PWD/../../target/wasm
CARGO_TARGET_WASM32_WASIP1_RUNNER="node --no-warnings $PWD/tests/wasi.mjs" \
    CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS="-C target-feature=+simd128" KERNELS_QUICK=1 \
    KERNELS_REQUIRE=simd128 cargo test --quiet --release --locked -p endocast-kernels \
    --manifest-path ../../Cargo.toml --target wasm32-wasip1 --test kernels -- --test-threads=1 --quiet

./build.sh "$folder/site"
python3 ../../tests/head.py "$folder/head.nii.gz"
cp "$scan" "$folder/scan.nii.gz"
for name in head scan; do
    ENDOCAST_CPU=scalar "$endocast" --quiet --qc-exit 0 "$folder/$name.nii.gz" -m "$folder/expected_$name.nii"
    node tests/module.mjs "$folder/site" "$folder/$name.nii.gz" "$folder/mask.nii"
    cmp "$folder/mask.nii" "$folder/expected_$name.nii"
done
echo "the module gives the bytes of the command"

CHROMIUM=${CHROMIUM:-$(command -v chromium || command -v google-chrome || true)}
if [ -z "$CHROMIUM" ]; then
    echo "SKIPPED: Chromium is not installed" >&2
    exit 0
fi
export CHROMIUM
npm install --silent --no-save --no-audit --no-fund --prefix "$folder" playwright-core@1
NODE_PATH=$folder/node_modules node tests/browser.mjs \
    "$folder/site" "$folder/head.nii.gz" "$folder/expected_head.nii"
echo "the page gives the bytes of the command"
