#!/usr/bin/env bash
# Checks the Boutiques descriptor with the reference tool, and that a run made from it works.
# Needs `bosh` (pip install boutiques) on the PATH; without it the check is skipped, and that is said.
#
#   tests/boutiques.sh ENDOCAST SCAN.nii.gz
set -euo pipefail

endocast=$(realpath "$1")
scan=$(realpath "$2")
if ! command -v bosh >/dev/null; then
    echo "SKIPPED: bosh is not installed (pip install boutiques)" >&2
    exit 0
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"$endocast" --describe boutiques >endocast.json
bosh validate endocast.json
mkdir bin
ln -s "$endocast" bin/endocast
cp "$scan" head.nii.gz
echo '{"scan": "head.nii.gz", "mask": "mask.nii.gz", "border": 1.5, "quiet": true}' >invocation.json
PATH="$PWD/bin:$PATH" bosh exec launch endocast.json invocation.json
test -s mask.nii.gz
