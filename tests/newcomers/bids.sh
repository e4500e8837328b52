#!/usr/bin/env bash
# A researcher with a BIDS dataset: participants in two runs, then the table and the contact sheet.
# `tests/bids_validator.sh` asks the official validator about names and metadata.
#
#   tests/newcomers/bids.sh ENDOCAST
set -euo pipefail

endocast=$(realpath "$1")
head=$(realpath "$(dirname "$0")/../head.py")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for label in 01 02 03; do
    mkdir -p "study/sub-$label/anat"
    python3 "$head" "study/sub-$label/anat/sub-${label}_T1w.nii.gz" "0.9${label#0}"
done
echo '{"Name": "three heads", "BIDSVersion": "1.9.0"}' >study/dataset_description.json

derived=study/derivatives/endocast
"$endocast" bids study "$derived" participant --participant-label 01
test ! -e "$derived/sub-02"
"$endocast" bids study "$derived" participant
"$endocast" bids study "$derived" group

python3 - "$derived" <<'END'
import csv, json, pathlib, sys

derived = pathlib.Path(sys.argv[1])
about = json.loads((derived / "dataset_description.json").read_text())
assert about["DatasetType"] == "derivative" and about["GeneratedBy"][0]["Name"] == "endocast", about
for label in "01", "02", "03":
    stem = derived / f"sub-{label}/anat/sub-{label}_desc-brain"
    mask = json.loads(pathlib.Path(f"{stem}_mask.json").read_text())
    assert mask["Type"] == "Brain" and f"sub-{label}_T1w.nii.gz" in mask["SpatialReference"], mask
    assert pathlib.Path(f"{stem}_mask.nii.gz").stat().st_size
    assert pathlib.Path(f"{stem}_T1w.nii.gz").stat().st_size
rows = list(csv.reader((derived / "group_brain.tsv").open(), delimiter="\t"))
assert len(rows) == 4, rows
volumes = [float(row[3]) for row in rows[1:]]
assert volumes == sorted(volumes) and 1000 < volumes[0] < volumes[2] < 1700, volumes
assert (derived / "group_brain.html").read_text().count("<img") == 3
END
echo "bids: masks, metadata, a table and a contact sheet"
