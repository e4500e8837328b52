"""Score weights on the validation scans, on each scan's own voxel grid.

    python tools/train/evaluate.py --weights model.safetensors --out table.tsv

Dice and HD95 (mm) of both channels against the reference mask, volume in ml,
and the share of a known lesion that the mask of channel 0 covers.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

import dataset
from export import load_weights

THRESHOLD = 0.5
LESIONS = {"T1c_btp": "_tumour", "T2_clinical_toolbox": "_lesion"}
COLUMNS = ("name", "reference", "dice0", "hd0", "dice1", "hd1", "ml0", "ml1", "lesion")


def largest_filled(mask):
    """Largest face-connected component of a boolean volume, holes filled."""
    labels, count = ndimage.label(mask)
    if count > 1:
        sizes = np.bincount(labels.ravel())
        sizes[0] = 0
        mask = labels == sizes.argmax()
    return ndimage.binary_fill_holes(mask)


def surface_distance(a, b, spacing):
    """95th percentile of the symmetric surface distances in mm of two masks."""
    if not a.any() or not b.any():
        return np.inf
    box = ndimage.find_objects((a | b).astype(np.uint8))[0]
    a, b = np.pad(a[box], 1), np.pad(b[box], 1)
    edges = [m & ~ndimage.binary_erosion(m) for m in (a, b)]
    fields = [ndimage.distance_transform_edt(~e, sampling=spacing) for e in edges]
    return np.percentile(np.concatenate([fields[1][edges[0]], fields[0][edges[1]]]), 95)


def dice_of(a, b):
    return 2 * (a & b).sum() / max(a.sum() + b.sum(), 1)


def predict(model, scan, grid):
    """The two masks of a scan on its own voxels."""
    image, positions = dataset.to_grid(scan, grid)
    with torch.no_grad():
        probability = torch.sigmoid(model(torch.from_numpy(image)[None, None]))[0].numpy()
    return [largest_filled(dataset.from_grid(p, positions, scan) >= THRESHOLD)
            for p in probability]


def score(model, row, data, grid):
    """Values of COLUMNS for one validation row."""
    name = row["name"]
    scan = dataset.load(data / "images" / f"{name}.nii.gz")
    masks = predict(model, scan, grid)
    result = [name, row["reference"]]
    if row["reference"] == "none":
        result += [float("nan")] * 4
    else:
        truth = dataset.load(data / "masks" / f"{name}.nii.gz").volume > 0
        for mask in masks:
            result += [dice_of(mask, truth), surface_distance(mask, truth, scan.spacing)]
    result += [mask.sum() * scan.spacing.prod() / 1000 for mask in masks]
    lesion = float("nan")
    for prefix, suffix in LESIONS.items():
        if name.startswith(prefix):
            region = dataset.load(data / "lesions" / f"{name}{suffix}.nii.gz").volume > 0
            lesion = (masks[0] & region).sum() / region.sum()
    return result + [lesion]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--grid", type=int, default=96)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--match", default="", help="only scans whose name contains this")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = load_weights(options.weights)
    with open(options.out, "w", buffering=1) as sink:
        print(*COLUMNS, sep="\t", file=sink)
        for row in dataset.read_validation():
            if options.match in row["name"]:
                values = score(model, row, options.data, options.grid)
                print(*(f"{v:.4g}" if isinstance(v, float) else v for v in values),
                      sep="\t", file=sink)


if __name__ == "__main__":
    main()
