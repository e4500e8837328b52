"""Goldens for the metrics, computed with SciPy alone, and checked against MONAI and medpy.

Writes tests/data/metrics.txt, one case per line: shape, spacing, the two masks as digits (first
axis fastest), then Dice, sensitivity, specificity, volume error, HD95 (larger of the directed
percentiles), HD95 of the pooled distances, Hausdorff distance and mean surface distance; `-`
where a value is undefined. Where both masks hold voxels, MONAI must find the same Dice, HD95,
Hausdorff distance and mean, and medpy the same Dice, sensitivity, specificity, volume error, pooled
HD95 and Hausdorff distance. Made with numpy 2.4.6, scipy 1.17.1, monai 1.6.1 and medpy 0.5.2.

usage: dump_metrics.py
"""

from pathlib import Path

import numpy as np
import torch
from medpy.metric import binary
from monai import metrics
from scipy import ndimage

OUT = Path(__file__).resolve().parents[2] / "tests" / "data" / "metrics.txt"


def surface(mask):
    cross = ndimage.generate_binary_structure(3, 1)
    return mask & ~ndimage.binary_erosion(mask, cross, border_value=0)


def directed(mask, other, spacing):
    distance = ndimage.distance_transform_edt(~surface(other), sampling=spacing)
    return distance[surface(mask)]


def overlaps(mask, reference):
    both, found, expected = (mask & reference).sum(), mask.sum(), reference.sum()
    neither = (~mask & ~reference).sum()
    yield 2 * both / (found + expected) if found + expected else 1.0
    yield both / expected if expected else None
    yield neither / (~reference).sum() if not reference.all() else None
    yield (found - expected) / expected if expected else None


def surfaces(mask, reference, spacing):
    if not mask.any() and not reference.any():
        return [0.0] * 4
    if not mask.any() or not reference.any():
        return [None] * 4
    there, back = directed(mask, reference, spacing), directed(reference, mask, spacing)
    pooled = np.concatenate([there, back])
    return [max(np.percentile(there, 95), np.percentile(back, 95)), np.percentile(pooled, 95),
            pooled.max(), pooled.mean()]


def monai(mask, reference, spacing):
    """Values of MONAI by position in a line's values; both masks hold voxels."""
    # Its surfaces begin at the border of the image, as ours do, if there is background around.
    pair = [torch.from_numpy(np.pad(m, 1))[None, None].double() for m in (mask, reference)]
    yield 0, metrics.compute_dice(*pair).item()
    yield 4, metrics.compute_hausdorff_distance(
        *pair, include_background=True, percentile=95, spacing=spacing).item()
    yield 6, metrics.compute_hausdorff_distance(
        *pair, include_background=True, spacing=spacing).item()
    yield 7, metrics.compute_average_surface_distance(
        *pair, include_background=True, symmetric=True, spacing=spacing).item()


def medpy(mask, reference, spacing):
    """Values of medpy by position in a line's values; both masks hold voxels."""
    yield 0, binary.dc(mask, reference)
    yield 1, binary.sensitivity(mask, reference)
    if not reference.all():
        yield 2, binary.specificity(mask, reference)
    yield 3, binary.ravd(mask, reference)
    yield 5, binary.hd95(mask, reference, voxelspacing=spacing)
    yield 6, binary.hd(mask, reference, voxelspacing=spacing)


def check(values, mask, reference, spacing):
    """Raises where another implementation disagrees."""
    for other in (monai, medpy):
        for index, expected in other(mask, reference, spacing):
            if abs(values[index] - expected) > 1e-6 * max(abs(expected), 1):
                raise ValueError(f"{other.__name__}, value {index}: {values[index]} {expected}")


def cases():
    rng = np.random.default_rng(20261124)
    for _ in range(24):
        shape = tuple(rng.integers(1, 9, 3))
        spacing = rng.uniform(0.4, 5, 3).round(3)
        yield rng.random(shape) < rng.random(), rng.random(shape) < rng.random(), spacing
    i, j, k = np.indices((9, 10, 8))
    ball = (i - 4) ** 2 + (j - 4) ** 2 + (k - 3) ** 2 <= 11
    yield ball, np.roll(ball, (1, -1, 2), (0, 1, 2)), (1.0, 1.0, 1.0)
    yield ball, ndimage.binary_dilation(ball), (0.9, 0.9, 3.0)
    shape, spacing = (4, 3, 5), (1.0, 2.0, 0.5)
    empty, full, first, last = (np.zeros(shape, bool) for _ in range(4))
    full[:] = True
    first[0, 0, 0] = last[-1, -1, -1] = True
    for mask in (empty, full, first, last):
        for reference in (empty, full, first, last):
            yield mask, reference, spacing


def main():
    lines = []
    for mask, reference, spacing in cases():
        values = [*overlaps(mask, reference), *surfaces(mask, reference, spacing)]
        if mask.any() and reference.any():
            check(values, mask, reference, [float(size) for size in spacing])
        digits = ["".join(m.ravel(order="F").astype(int).astype(str)) for m in (mask, reference)]
        fields = [*mask.shape, *spacing, *digits]
        lines.append(" ".join([*map(str, fields),
                               *("-" if v is None else f"{v:.10g}" for v in values)]))
    OUT.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
