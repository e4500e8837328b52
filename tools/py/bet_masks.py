"""Masks of the brain extraction tool BET in its Python form, to score beside the program's.

    pip install brainextractor
    python tools/py/bet_masks.py --out FOLDER [--data ../shared/data]
    endocast validate list.tsv -o study --also BET=FOLDER

Writes `<name>.nii.gz` for every scan of tools/train/validation.tsv, with the package's defaults, and
leaves out those that exist. It expects isotropic millimetres: scans are brought to 1 mm with linear
interpolation, and the masks back to the scan's grid by the nearest voxel. A scan it fails on is said.
"""

import argparse
import csv
import io
from contextlib import redirect_stdout
from pathlib import Path

import nibabel as nib
import numpy as np
from brainextractor import BrainExtractor
from nibabel import processing

ROOT = Path(__file__).resolve().parents[2]


def mask_of(image):
    first = image.slicer[..., 0] if image.ndim == 4 else image
    first = nib.Nifti1Image(first.get_fdata(dtype=np.float32), first.affine)
    isotropic = processing.resample_to_output(first, (1, 1, 1), order=1)
    with redirect_stdout(io.StringIO()):  # a line per iteration
        bet = BrainExtractor(img=isotropic)
        bet.run()
    mask = nib.Nifti1Image(bet.compute_mask().astype(np.uint8), isotropic.affine)
    return processing.resample_from_to(mask, first, order=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared/data")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with open(ROOT / "tools/train/validation.tsv") as file:
        names = [row["name"] for row in csv.DictReader(file, delimiter="\t")]
    for name in names:
        target = options.out / f"{name}.nii.gz"
        if target.exists():
            continue
        try:
            nib.save(mask_of(nib.load(options.data / "images" / target.name)), target)
        except Exception as error:  # whatever the package raises, the other scans go on
            print(f"{name}: {error}", flush=True)


if __name__ == "__main__":
    main()
