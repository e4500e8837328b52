#!/usr/bin/env bash
# Extracts a scan as a BIDS dataset and asks the official validator about scans and derivatives.
# Needs `bids-validator-deno` (from PyPI) on the PATH; without it the check is skipped, and that is said.
# The older `bids-validator` from npm knows no names of derivatives.
#
#   tests/bids_validator.sh ENDOCAST SCAN.nii.gz
set -euo pipefail

endocast=$(realpath "$1")
scan=$(realpath "$2")
if ! command -v bids-validator-deno >/dev/null; then
    echo "SKIPPED: bids-validator-deno is not installed (pip install bids-validator-deno)" >&2
    exit 0
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for label in 01 02; do
    mkdir -p "raw/sub-$label/anat"
    cp "$scan" "raw/sub-$label/anat/sub-${label}_T1w.nii.gz"
    echo '{}' >"raw/sub-$label/anat/sub-${label}_T1w.json"
done
echo '{"Name": "two heads", "BIDSVersion": "1.9.0", "License": "CC0", "Authors": ["nobody"]}' \
    >raw/dataset_description.json
echo 'Two copies of one scan.' >raw/README
"$endocast" bids raw derived participant
"$endocast" bids raw derived group
bids-validator-deno --ignoreWarnings raw
bids-validator-deno --ignoreWarnings derived
