#!/usr/bin/env bash
# Runs a scan by the nipype interface that the program describes itself with.
# Needs Python with nipype (pip install nipype); without it the check is skipped, and that is said.
#
#   tests/nipype.sh ENDOCAST SCAN.nii.gz
set -euo pipefail

endocast=$(realpath "$1")
scan=$(realpath "$2")
if ! python3 -c "import nipype" 2>/dev/null; then
    echo "SKIPPED: nipype is not installed (pip install nipype)" >&2
    exit 0
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir bin
ln -s "$endocast" bin/endocast
"$endocast" --describe nipype >endocast_interface.py
cp "$scan" head.nii.gz
PATH="$PWD/bin:$PATH" PYTHONPATH=. python3 - <<'PYTHON'
import os

from endocast_interface import Endocast

plain = Endocast(scan="head.nii.gz", quiet=True).run().outputs
assert plain.brain == os.path.abspath("head_brain.nii.gz") and os.path.getsize(plain.brain)
assert plain.mask == os.path.abspath("head_brain_mask.nii.gz") and os.path.getsize(plain.mask)
named = Endocast(scan="head.nii.gz", mask="m.nii.gz", border=1.5, threads=1, quiet=True).run().outputs
assert named.mask == os.path.abspath("m.nii.gz") and os.path.getsize(named.mask)
PYTHON
