"""Training scans that have a reference mask, cut to the slices that the mask covers.

The masks are the data set's own (open_ms, CC BY); they train channel 0. Both
patients are absent from validation.tsv.

    python tools/train/references.py --out RUN/scans
"""

import argparse
from pathlib import Path

import numpy as np

import dataset
from distil import conform, conform_positions, save

SCANS = (
    "FLAIR_openms_p01_study1", "T1_openms_p01_study1",
    "FLAIR_openms_p01_study2", "T1_openms_p01_study2",
    "FLAIR_openms_p20_study2", "T1_openms_p20_study2",
)


def covered(scan, mask):
    """Both volumes without the slices below the mask's lowest (RAS+, third axis)."""
    lowest = np.flatnonzero(mask.volume.any(axis=(0, 1)))[0]
    return [dataset.Scan(v.volume[..., lowest:], v.spacing, v.affine) for v in (scan, mask)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name in SCANS:
        scan = dataset.load(options.data / "images" / f"{name}.nii.gz")
        mask = dataset.load(options.data / "masks" / f"{name}.nii.gz")
        if "_p01_" in name:
            scan, mask = covered(scan, mask)
        target = dataset.mask_to_grid(mask, conform_positions(scan)) > 0.5
        save(options.out / f"{name}.npz", scan, conform(scan), target)


if __name__ == "__main__":
    main()
