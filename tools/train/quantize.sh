#!/bin/sh
# Quantises a model on the real training scans, none of which is in validation.tsv.
#
#     cargo build --release
#     sh tools/train/quantize.sh weights/endocast.model OUTPUT [--accuracy-aware] [--report FILE] ...
#
# DATA and ENDOCAST may name another folder of scans and another program.
set -e
root=$(dirname "$0")/../..
data=${DATA:-$root/../shared/data}
model=$1
output=$2
shift 2
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
# The lists of distil.py and references.py.
for name in $(sed -n '/^SCANS = (/,/^)/p' "$root/tools/train/distil.py" "$root/tools/train/references.py" \
    | grep -o '"[^"]*"' | tr -d '"'); do
    ln -s "$(realpath "$data/images/$name.nii.gz")" "$folder"
done
"${ENDOCAST:-$root/target/release/endocast}" quantize "$model" --calibration "$folder" -o "$output" "$@"
