"""Masks of another network, MindGrab, for real training scans that have none.

MindGrab (MIT licence) is a stack of 25 dilated 3 x 3 x 3 convolutions with
parameter-free instance norm and GELU on a 256^3 volume of 1 mm. Its mask follows
the inner skull, so it can stand in for channel 0; channel 1 stays unknown.

    python tools/train/distil.py --out RUN/scans
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from scipy import ndimage
from torch.nn import functional

import dataset
from evaluate import largest_filled

# real scans without a reference mask, none of a patient in validation.tsv
SCANS = (
    "T1_brainchop_t1_crop", "T1_colin27_1mm", "T1_seg3d_epilepsy", "T1_allineate_T1w2mm",
    "T2_allineate_T2w", "FLAIR_synthsr_example", "FLAIR_torchio_fernando",
    "T1c_pyradiomics_brain2",
)
DILATIONS = (16, 8, 4, 2, 1) * 5
SIDE = 256


def conform_positions(scan):
    """Voxel centres, in mm from the scan's corner, of 256^3 at 1 mm around its middle."""
    return [e / 2 + np.arange(SIDE) + 0.5 - SIDE / 2 for e in scan.volume.shape * scan.spacing]


def conform(scan):
    """RAS+ scan on conform_positions, clamped to its 2nd..98th percentile, 0..1."""
    positions = conform_positions(scan)
    volume, _ = dataset.resample(scan.volume, dataset.source_positions(scan), positions)
    low, high = np.quantile(volume, [0.02, 0.98])
    return np.clip((volume - low) / max(high - low, 1e-6), 0, 1)


def save(path, scan, volume, mask):
    """Conformed volume and mask, without the margin outside the scan, for MaskedScan."""
    positions = conform_positions(scan)
    seen = [(p > 0) & (p < n * s) for p, n, s in zip(positions, scan.volume.shape, scan.spacing)]
    box = np.ix_(*seen)
    np.savez(path, image=np.rint(255 * volume[box]).astype(np.uint8), mask=mask[box])
    print(f"{path.stem}: {mask.sum() / 1000:.0f} ml", flush=True)


def run_teacher(weights, volume):
    """Boolean 256^3 mask of a normalised 256^3 RAS+ volume."""
    # the teacher's axes: left, inferior, anterior
    x = np.ascontiguousarray(volume.transpose(0, 2, 1)[::-1, ::-1])
    x = torch.from_numpy(x)[None, None].bfloat16().to(memory_format=torch.channels_last_3d)
    with torch.no_grad():
        for n, dilation in enumerate(DILATIONS):
            x = functional.conv3d(
                x, weights[f"model.{3 * n}.weight"], padding=dilation, dilation=dilation)
            # batch statistics of a single volume are instance statistics
            x = functional.gelu(functional.batch_norm(x, None, None, training=True))
        x = functional.conv3d(x, weights["model.75.weight"])
    mask = (x[0, 1] > x[0, 0]).numpy()
    return mask[::-1, ::-1].transpose(0, 2, 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    weights = load_file(options.data / "weights" / "mindgrab" / "net_mindgrab.safetensors")
    weights = {k: v.bfloat16() for k, v in weights.items()}
    for name in SCANS:
        target = options.out / f"{name}.npz"
        if target.exists():
            continue
        scan = dataset.load(options.data / "images" / f"{name}.nii.gz")
        volume = conform(scan)
        mask = largest_filled(ndimage.binary_opening(run_teacher(weights, volume), iterations=1))
        save(target, scan, volume, mask)


if __name__ == "__main__":
    main()
