"""Dump grids and intensity statistics of NIfTI images as a TSV table.

    python tools/py/dump_volumes.py ../shared/data/images > tests/data/volumes.tsv

Needs nibabel and numpy. `tests/volume.rs` compares its own reading of the same images with the
table. Statistics are of real values (after scaling) with NaN and infinities counted as 0.
"""

import sys
from pathlib import Path

import nibabel
import numpy


def main():
    folder = Path(sys.argv[1])
    print("file\tshape\taffine\tspacing\torientation\toblique\tmin\tmax\tmean")
    for path in sorted(folder.glob("*.nii*")):
        image = nibabel.load(path)
        values = numpy.nan_to_num(image.get_fdata(), nan=0, posinf=0, neginf=0)
        columns = [
            path.name,
            ",".join(str(n) for n in image.shape),
            ",".join(repr(float(v)) for v in image.affine[:3].ravel()),
            ",".join(repr(float(v)) for v in nibabel.affines.voxel_sizes(image.affine)),
            "".join(nibabel.aff2axcodes(image.affine)),
            repr(float(numpy.degrees(nibabel.affines.obliquity(image.affine).max()))),
            repr(float(values.min())),
            repr(float(values.max())),
            repr(float(values.mean())),
        ]
        print("\t".join(columns))


if __name__ == "__main__":
    main()
