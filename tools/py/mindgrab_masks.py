"""MindGrab in PyTorch, from a scan to a mask, to compare the program's masks with.

    python tools/py/mindgrab_masks.py --weights ../shared/data/weights/mindgrab --out FOLDER SCAN...
    endocast convert ../shared/data/weights/mindgrab/model.json -o mindgrab.model
    endocast extract SCAN --model mindgrab.model -m OURS.nii.gz
    endocast compare OURS.nii.gz FOLDER/SCAN

An implementation of the route apart from the program's: nibabel for the geometry, SciPy for
interpolation, single precision throughout. For scans whose voxels are 1 mm or larger, so that bringing
them to 1 mm is plain trilinear interpolation.
"""

import argparse
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional

EDGE = 256
DILATIONS = (16, 8, 4, 2, 1) * 5
TO_LIA = np.array([[-1, 0, 0], [0, 0, 1], [0, -1, 0]], dtype=float)


def load_weights(folder):
    """Kernels (out, in, 3, 3, 3) and biases of every convolution of brainchop's tfjs files."""
    manifest = json.loads((folder / "model.json").read_text())["weightsManifest"]
    raw = b"".join((folder / path).read_bytes() for group in manifest for path in group["paths"])
    kernels, biases, offset = [], [], 0
    for entry in (entry for group in manifest for entry in group["weights"]):
        count = int(np.prod(entry["shape"]))
        values = np.frombuffer(raw, "<f4", count, offset).reshape(entry["shape"])
        offset += 4 * count
        if entry["name"].endswith("kernel"):
            kernels.append(torch.from_numpy(values.transpose(4, 3, 0, 1, 2).copy()))
        elif entry["name"].endswith("bias"):
            biases.append(torch.from_numpy(values.copy()))
    return kernels, biases


def cube_to_voxel(image):
    """Matrix from indices of the cube to voxel indices of the scan."""
    centre = image.affine @ [*((np.array(image.shape[:3]) - 1) / 2), 1]
    cube = np.eye(4)
    cube[:3, :3] = TO_LIA
    cube[:3, 3] = centre[:3] - TO_LIA @ np.full(3, (EDGE - 1) / 2)
    return np.linalg.inv(image.affine) @ cube


def conform(volume, matrix):
    """The cube, its intensities between the 2nd and 98th percentile brought to 0 to 1."""
    cube = ndimage.affine_transform(
        volume, matrix[:3, :3], matrix[:3, 3], [EDGE] * 3, order=1, mode="nearest")
    grid = np.stack(np.meshgrid(*[np.arange(EDGE)] * 3, indexing="ij"), -1).astype(np.float32)
    voxel = grid @ matrix[:3, :3].T.astype(np.float32) + matrix[:3, 3].astype(np.float32)
    limits = np.array(volume.shape) - 0.5
    seen = ((voxel >= -0.5) & (voxel <= limits)).all(-1)
    cube[~seen] = cube[seen].min()
    low, high = np.percentile(cube, [2, 98])
    return np.where(seen, np.clip((cube - low) / (high - low), 0, 1), 0).astype(np.float32)


def probability(cube, kernels, biases):
    """Brain probability of every voxel of the cube."""
    x = torch.from_numpy(cube)[None, None]
    with torch.inference_mode():
        for kernel, dilation in zip(kernels, DILATIONS):
            x = functional.conv3d(x, kernel, padding=dilation, dilation=dilation)
            x = functional.gelu(functional.instance_norm(x))
        x = functional.conv3d(x, kernels[-1], biases[-1])
        return x.softmax(1)[0, 1].numpy()


def largest_filled(mask):
    labels, count = ndimage.label(mask, np.ones((3, 3, 3)))
    sizes = ndimage.sum_labels(mask, labels, range(1, count + 1))
    return ndimage.binary_fill_holes(labels == 1 + np.argmax(sizes))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scans", nargs="+", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.out.mkdir(parents=True, exist_ok=True)
    kernels, biases = load_weights(options.weights)
    assert len(kernels) == len(DILATIONS) + 1
    for path in options.scans:
        image = nib.load(path)
        volume = np.asarray(image.dataobj, dtype=np.float32)
        volume = volume if volume.ndim == 3 else volume[..., 0]
        matrix = cube_to_voxel(image)
        cube = probability(conform(volume, matrix), kernels, biases)
        back = np.linalg.inv(matrix)
        native = ndimage.affine_transform(
            cube, back[:3, :3], back[:3, 3], volume.shape, order=1, mode="constant")
        mask = largest_filled(native >= 0.5).astype(np.uint8)
        nib.Nifti1Image(mask, image.affine).to_filename(options.out / path.name)
        print(f"{path.name}: {mask.sum()} voxels", flush=True)


if __name__ == "__main__":
    main()
