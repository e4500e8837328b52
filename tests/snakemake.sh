#!/usr/bin/env bash
# Runs the Snakemake workflow, on this machine and through the executor for clusters with a stub in place
# of the batch system. Needs snakemake and snakemake-executor-plugin-cluster-generic (from PyPI) on the
# PATH; without them the check is skipped, and that is said.
#
#   tests/snakemake.sh ENDOCAST SCAN.nii.gz
set -euo pipefail

endocast=$(realpath "$1")
scan=$(realpath "$2")
workflow=$(realpath "$(dirname "$0")/../examples/snakemake/Snakefile")
if ! command -v snakemake >/dev/null; then
    echo "SKIPPED: snakemake is not installed (pip install snakemake)" >&2
    exit 0
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir bin scans
ln -s "$endocast" bin/endocast
export PATH="$PWD/bin:$PATH"
cp "$scan" scans/one.nii.gz
cp "$scan" scans/two.nii.gz
snakemake --quiet all --snakefile "$workflow" --cores 2
cmp masks/one_brain_mask.nii.gz masks/two_brain_mask.nii.gz
if ! snakemake --help | grep -q cluster-generic; then
    echo "SKIPPED: snakemake-executor-plugin-cluster-generic is not installed" >&2
    exit 0
fi
printf '#!/bin/sh\nexec sh "$@" >&2\n' >bin/submit
chmod +x bin/submit
snakemake --quiet all --snakefile "$workflow" --executor cluster-generic \
    --cluster-generic-submit-cmd submit --jobs 1 --config masks=submitted --latency-wait 5
cmp masks/one_brain_mask.nii.gz submitted/two_brain_mask.nii.gz
