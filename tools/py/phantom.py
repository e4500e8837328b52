"""A head of ellipsoids as NIfTI: something to run the program on where there is no scan.

    python tools/py/phantom.py OUTPUT.nii.gz

1.5 mm voxels, contrasts as in T1: scalp with fat, skull, fluid, grey matter with folds, white matter,
ventricles, cerebellum, brain stem, eyes and neck. No anatomy of anyone.
"""

import argparse
import gzip
import struct

import numpy as np

SHAPE = (128, 152, 160)
SPACING = 1.5
BRAIN = (0, -4, 12)  # centre in mm, axes right, anterior, superior
RADII = np.array([66, 82, 60])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("output")
    options = parser.parse_args()
    axes = [(np.arange(n) - (n - 1) / 2) * SPACING for n in SHAPE]
    x, y, z = np.meshgrid(*axes, indexing="ij")

    def radius(centre, radii):
        """Distance from the centre, 1 on the ellipsoid."""
        return np.sqrt(sum(((a - c) / r) ** 2 for a, c, r in zip((x, y, z), centre, radii)))

    def within(centre, radii):
        return radius(centre, radii) < 1

    brain = radius(BRAIN, RADII)
    angle = np.arctan2(z - BRAIN[2], y - BRAIN[1])
    folds = np.sin(11 * angle + 0.12 * x) * np.cos(0.23 * x + 3 * angle) * np.sin(0.16 * (z + y))
    cerebellum = radius((0, -52, -38), (46, 30, 24))

    head = np.zeros(SHAPE, np.float32)
    head[within((0, 6, 4), (84, 104, 96)) | (within((0, -8, -100), (52, 58, 90)) & (z < -20))] = 0.55
    head[within((0, 6, 4), (81, 101, 93))] = 0.95  # fat under the skin
    head[within((0, 2, 6), (77, 95, 84))] = 0.45  # muscle
    head[within(BRAIN, RADII + 10)] = 0.12  # skull
    head[within((0, 62, -40), (34, 30, 30))] = 0.05  # sinuses and mouth
    for side in (-1, 1):
        head[within((32 * side, 74, -22), (13, 13, 12))] = 0.2  # eyes
    skull_base = within((0, -30, -48), (50, 42, 34))
    head[skull_base] = 0.12
    head[within(BRAIN, RADII + 4) | within((0, -50, -38), (50, 36, 28))] = 0.2  # fluid
    head[brain < 1 + 0.02 * folds] = 0.6
    head[(brain < 1) & (folds > 0.45) & (brain > 0.85)] = 0.3  # sulci
    head[(brain < 0.84 + 0.13 * np.sin(11 * angle - 0.15 * x) * folds) & (np.abs(x) > 3)] = 0.85
    head[(np.abs(x) < 1.6) & (z > 0) & (brain > 0.82) & (brain < 1)] = 0.2  # between the hemispheres
    head[cerebellum < 1] = 0.62
    head[(cerebellum < 0.9) & (np.sin(1.1 * (z + 38) + 0.02 * x**2) > 0.2)] = 0.8
    head[within((0, -22, -42), (15, 14, 46))] = 0.8  # brain stem
    for side in (-1, 1):
        head[within((12 * side, -2, 18), (8, 34, 12))] = 0.2  # ventricles

    noise = np.random.default_rng(7)
    real, imaginary = noise.normal(0, 0.025, (2, *SHAPE))
    bias = 1 + 0.1 * np.sin(x / 90) - 0.08 * z / 120
    voxels = np.clip(np.hypot(head * bias + real, imaginary) * 1000, 0, 2000).astype("<i2")
    with gzip.GzipFile(options.output, "wb", mtime=0) as file:
        file.write(header() + voxels.tobytes(order="F"))


def header():
    """NIfTI-1: int16, RAS, the origin in the middle of the volume."""
    origin = [-(n - 1) / 2 * SPACING for n in SHAPE]
    rows = [[SPACING * (i == j) for j in range(3)] + [origin[i]] for i in range(3)]
    text = bytearray(352)
    struct.pack_into("<i", text, 0, 348)
    struct.pack_into("<8h", text, 40, 3, *SHAPE, 1, 1, 1, 1)
    struct.pack_into("<2h", text, 70, 4, 16)
    struct.pack_into("<8f", text, 76, 1, *[SPACING] * 3, 0, 0, 0, 0)
    struct.pack_into("<2f", text, 108, 352, 1)
    text[123] = 2  # millimetres
    struct.pack_into("<2h", text, 252, 0, 1)
    struct.pack_into("<12f", text, 280, *sum(rows, []))
    text[344:348] = b"n+1\0"
    return bytes(text)


if __name__ == "__main__":
    main()
