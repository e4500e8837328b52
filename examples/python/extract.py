"""Extracts the brains of some scans with one session, and says what was found.

    python extract.py SCAN.nii.gz...

The masks are written into the current folder, as <name>_mask.nii.gz.
"""

import sys
from pathlib import Path

import endocast
import nibabel

session = endocast.Session()
for path in map(Path, sys.argv[1:]):
    found = session.extract(path, distance=True)
    name = path.name.removesuffix(".gz").removesuffix(".nii")
    nibabel.save(found.mask, f"{name}_mask.nii.gz")
    depth = -found.distance.get_fdata().min()
    print(f"{path}: {found.volume_ml:.0f} ml, {depth:.0f} mm deep, score {found.score:.2f}")
