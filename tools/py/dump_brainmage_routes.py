"""Goldens for BrainMaGe's routes, computed with SciPy and scikit-image.

Writes small text files and packed masks below tests/data/brainmage. The network is a stand-in:
a blurred intensity made into a probability, which both sides can compute. Needs numpy, scipy,
scikit-image and nibabel; the goldens in the tree were made with numpy 2.4.6, scipy 1.17.1,
scikit-image 0.26.0 and nibabel 5.4.2.

usage: dump_brainmage_routes.py [DATA_FOLDER]
"""

import sys
import zlib
from pathlib import Path

import nibabel
import numpy as np
from scipy import ndimage
from skimage.measure import label
from skimage.transform import resize

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "tests" / "data" / "brainmage"

SCANS = [
    "T1_ixi_IXI137-HH-1472",      # 2 mm, scaled uint8
    "T1_openms_p20_study2",       # 0.9 x 0.9 x 3 mm, oblique
    "T1c_tcga_02-0003",           # 0.8 x 0.8 x 6.5 mm: the third axis shrinks on the way back
    "EPI_allineate_fmri",         # 2.5 x 2.5 x 2 mm
    "DWIb0_niivue",               # 2 mm, float64
]
MULTI4_SCAN = "EPI_allineate_fmri"

RESIZES = [  # old shape, new shape
    ((5, 7, 4), (9, 3, 4)),
    ((16, 6, 3), (5, 7, 8)),
    ((1, 2, 30), (3, 1, 11)),
    ((4, 3, 2), (4, 3, 2)),
]


def cubic(image, shape, **options):
    return resize(image, shape, order=3, mode="edge", cval=0, **options)


def normalised(image):
    foreground = image[image >= image.mean()]
    low, high = np.percentile(foreground, 2), np.percentile(foreground, 95)
    return (np.minimum(image, high) - low) / high, low, high


def stand_in(cube):
    """Probability from a float32 cube: contrast, three box blurs of 11 voxels per axis, logistic."""
    blurred = np.clip(4 * cube.astype(np.float64), 0, 1)
    for _ in range(3):
        for axis in range(3):
            blurred = ndimage.uniform_filter1d(blurred, 11, axis=axis, mode="constant")
    return (1 / (1 + np.exp(-30 * (blurred - 0.4)))).astype(np.float32)


def finished(mask):
    for k in range(mask.shape[2]):
        mask[:, :, k] = ndimage.binary_fill_holes(mask[:, :, k])
    labels = label(mask != 0, connectivity=3)
    sizes = np.bincount(labels.ravel())
    return labels == np.argmax(sizes[1:]) + 1


def binary(probability):
    return (probability >= np.float32(0.9)).astype(np.float32)


def agnostic(image, spacing):
    shape = tuple(int(np.round(float(s) * n)) for s, n in zip(spacing, image.shape))
    resampled = cubic(image, shape, anti_aliasing=False)
    missing = [max(0, full - n) for full, n in zip((240, 240, 160), shape)]
    before = [missing[0] // 2, missing[1] // 2, missing[2]]
    padded = np.pad(resampled, [(b, m - b) for b, m in zip(before, missing)])
    values, low, high = normalised(padded)
    cube = cubic(values, (128,) * 3, anti_aliasing=False).astype(np.float32)
    back = binary(cubic(stand_in(cube), padded.shape))
    back = back[tuple(slice(b, b + n) for b, n in zip(before, shape))]
    return cube, low, high, finished(binary(cubic(back, image.shape)))


def single(image):
    values, low, high = normalised(image)
    cube = cubic(values, (128,) * 3, anti_aliasing=False).astype(np.float32)
    return cube, low, high, finished(binary(cubic(stand_in(cube), image.shape)))


def multi4_channel(image, spacing):
    shape = tuple(int(np.round(float(s) * n)) for s, n in zip(spacing, image.shape))
    image = resize(image, shape, order=1, mode="edge", cval=0, anti_aliasing=False)
    x, y, z = (max(0, full - n) for full, n in zip((240, 240, 160), shape))
    image = np.pad(image, [(x // 2, x // 2), (y // 2, y // 2), (0, z)])
    return normalised(cubic(image, (128,) * 3, anti_aliasing=False))


def packed(mask):
    """Zlib of little-endian uint32: distances between the voxels, first axis fastest, that differ
    from their neighbour in the previous row along the second axis (from 0 in the first row)."""
    change = np.diff(mask.astype(np.int8), axis=1, prepend=0).ravel(order="F")
    steps = np.diff(np.flatnonzero(change), prepend=0)
    return zlib.compress(steps.astype("<u4").tobytes(), 9)


def cube_lines(cube, low, high):
    """Text: the scale, moments of the cube, and 64 voxels spread over it."""
    n = np.arange(1, 65)
    at = np.stack([n * 61 % 128, n * 89 % 128, n * 107 % 128])
    samples = [f"sample {i} {j} {k} {cube[i, j, k]:.7g}" for i, j, k in at.T]
    values = cube.astype(np.float64)
    return [f"low {low:.12g}", f"high {high:.12g}", f"mean {values.mean():.9g}",
            f"deviation {values.std():.9g}", *samples]


def write(name, lines):
    (OUT / name).write_text("\n".join(lines) + "\n")


def load(data, name):
    scan = nibabel.load(data / "images" / f"{name}.nii.gz")
    return scan.get_fdata(), scan.header.get_zooms()[:3]


def main():
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".." / "shared" / "data"
    OUT.mkdir(parents=True, exist_ok=True)

    lines = []
    for old, new in RESIZES:
        i, j, k = np.indices(old)
        image = (i * 7 + j * 13 + k * 29) * 37 % 101 / 10
        for name, options in [("linear", dict(order=1, anti_aliasing=False)),
                              ("cubic", dict(order=3, anti_aliasing=False)),
                              ("cubic-gaussian", dict(order=3))]:
            values = resize(image, new, mode="edge", **options).ravel(order="F")
            lines.append(" ".join([name, *map(str, old + new), *(f"{v:.10g}" for v in values)]))
    write("resize.txt", lines)

    for name in SCANS:
        image, spacing = load(data, name)
        for route, result in [("agnostic", agnostic(image.copy(), spacing)),
                              ("single", single(image.copy()))]:
            cube, low, high, mask = result
            write(f"{name}.{route}.txt", cube_lines(cube, low, high) + [f"voxels {mask.sum()}"])
            (OUT / f"{name}.{route}.mask").write_bytes(packed(mask))
            print(name, route, mask.sum(), mask.mean())

    image, spacing = load(data, MULTI4_SCAN)
    write("multi4.txt", cube_lines(*multi4_channel(image, spacing)))


if __name__ == "__main__":
    main()
