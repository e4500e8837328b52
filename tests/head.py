"""A head of nested ellipsoids as NIfTI, for tests that have no scan; needs nothing but Python.

    python3 tests/head.py OUTPUT.nii.gz [SIZE]

64 x 76 x 72 voxels of 3 mm, contrasts as in T1. SIZE, by default 1, scales the head. No anatomy of anyone.
"""

import gzip
import struct
import sys

SHAPE = (64, 76, 72)
SPACING = 3.0
# Half axes in mm (right, anterior, superior) and brightness: scalp, skull, grey and white matter.
LAYERS = [((76, 93, 82), 700), ((72, 89, 78), 60), ((67, 84, 72), 400), ((53, 67, 57), 700)]


def brightness(position):
    """Of the innermost layer that holds the position in mm."""
    for axes, value in reversed(LAYERS):
        if sum((x / axis) ** 2 for x, axis in zip(position, axes)) < 1:
            return value
    return 0


def main():
    output = sys.argv[1]
    size = float(sys.argv[2]) if len(sys.argv) > 2 else 1.0
    corner = [-SPACING * (n - 1) / 2 for n in SHAPE]
    voxels = []
    for k in range(SHAPE[2]):
        for j in range(SHAPE[1]):
            for i in range(SHAPE[0]):
                position = [(c + SPACING * at) / size for c, at in zip(corner, (i, j, k))]
                voxels.append(brightness(position) + len(voxels) % 11)
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, *SHAPE, 1, 1, 1, 1)
    struct.pack_into("<hh", header, 70, 4, 16)
    struct.pack_into("<8f", header, 76, 1, SPACING, SPACING, SPACING, 0, 0, 0, 0)
    struct.pack_into("<f", header, 108, 352)
    header[123] = 2
    struct.pack_into("<h", header, 254, 1)
    for axis in range(3):
        row = [0.0] * 3 + [corner[axis]]
        row[axis] = SPACING
        struct.pack_into("<4f", header, 280 + 16 * axis, *row)
    header[344:348] = b"n+1\0"
    with gzip.open(output, "wb", 1) as file:
        file.write(header + struct.pack(f"<{len(voxels)}h", *voxels))


main()
