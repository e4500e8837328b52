#!/usr/bin/env bash
# Compiles the example in C with the release libraries and compares its masks with those of the command.
#
#   tests/c.sh ENDOCAST SCAN.nii.gz
set -euo pipefail

endocast=$(realpath "$1")
scan=$(realpath "$2")
cd "$(dirname "$0")/.."
if ! command -v cc >/dev/null; then
    echo "SKIPPED: there is no C compiler" >&2
    exit 0
fi
cargo build --release --locked --package endocast-c
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cc -std=c99 -Wall -Wextra -Werror examples/c/extract.c -I bindings/c -L target/release -lendocast \
    -o "$folder/extract"
gzip -dc "$scan" >"$folder/head.nii"
LD_LIBRARY_PATH=target/release "$folder/extract" \
    "$folder/head.nii" "$folder/mask.raw" "$folder/mask.nii.gz"
"$endocast" --quiet --qc-exit 0 "$folder/head.nii" -m "$folder/expected.nii.gz"
cmp "$folder/mask.nii.gz" "$folder/expected.nii.gz"
gzip -dc "$folder/expected.nii.gz" | tail -c +353 | cmp - "$folder/mask.raw"
echo "the example in C gives the bytes of the command"
