#!/usr/bin/env bash
# Someone with weights of their own: a checkpoint becomes a model, then one in 8 bits.
# `examples/own_model.rs` hands the file to the library.
#
#   tests/newcomers/own_weights.sh ENDOCAST
set -euo pipefail

endocast=$(realpath "$1")
repository=$(realpath "$(dirname "$0")/../..")
checkpoints=$repository/tools/tests/checkpoints
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 "$repository/tests/head.py" head.nii.gz

# The checkpoint holds noise: the network runs, and what it takes for a brain is not one.
way="route=conform grid=64 field_of_view_mm=220 orientation=RAS centre=mass:110 intensity=min-max"
"$endocast" convert "$checkpoints/lightning-half.ckpt" -o own.model --name own \
    --preprocessing "$way outputs=brain threshold=0.3"
"$endocast" info --model own.model >described
grep -q "^name  *own$" described
"$endocast" head.nii.gz --model own.model -m mask.nii.gz --json report.json --qc-exit 0
python3 -c "import json; assert json.load(open('report.json'))['brain_ml'] > 100"

# In 8 bits, measured on heads: the same mask on every processor.
mkdir heads
for size in 0.9 0.93 0.96; do
    python3 "$repository/tests/head.py" "heads/$size.nii.gz" "$size"
done
"$endocast" quantize own.model --calibration heads -o own8.model
for cap in scalar sse2 avx512vnni; do
    ENDOCAST_CPU=$cap "$endocast" head.nii.gz --model own8.model -m "$cap.nii.gz" --qc-exit 0
    cmp "$cap.nii.gz" scalar.nii.gz
done
"$endocast" compare sse2.nii.gz mask.nii.gz

# What is no network's checkpoint is refused, unrun, and leaves no file.
if "$endocast" convert "$checkpoints/malicious.pt" -o bad.model >said 2>&1; then
    echo "a checkpoint of nothing was converted" >&2
    exit 1
fi
if [ -e bad.model ] || grep -q "this must never be printed" said; then
    exit 1
fi
echo "own weights: from a checkpoint to a model in 8 bits"
