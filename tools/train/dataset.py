"""Real scans on the network's grid, and probabilities back on the scan's grid.

This is the input convention of the shipped network; README.md states it in words.
"""

from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np

from synthesis import FIELD_OF_VIEW, normalise


@dataclass
class Scan:
    """A volume in RAS+ voxel order; spacing in mm; orientation restores the file's order."""
    volume: np.ndarray
    spacing: np.ndarray
    affine: np.ndarray


def load(path):
    """First volume of a NIfTI file, axes permuted and flipped to the nearest RAS+."""
    image = nibabel.load(path)
    if image.ndim > 3:
        image = image.slicer[..., 0]
    image = nibabel.as_closest_canonical(image)
    volume = np.nan_to_num(np.asarray(image.dataobj, np.float32))
    spacing = np.abs(np.asarray(image.header.get_zooms()[:3], np.float64))
    return Scan(volume, spacing, image.affine)


def centre_of(scan):
    """Centre of the network's field of view, in mm from the corner of voxel (0, 0, 0).

    Centre of mass of the voxels above the mean; upwards it is raised to 110 mm
    below the highest slice in which at least 1 % of the voxels are foreground.
    """
    mask = scan.volume > scan.volume.mean()
    centre = np.zeros(3)
    for axis in range(3):
        others = tuple({0, 1, 2} - {axis})
        count = mask.sum(axis=others)
        centre[axis] = (count * (np.arange(len(count)) + 0.5)).sum() / max(count.sum(), 1)
    filled = np.flatnonzero(mask.mean(axis=(0, 1)) >= 0.01)
    centre *= scan.spacing
    if len(filled):
        centre[2] = max(centre[2], (filled[-1] + 1) * scan.spacing[2] - 110)
    return centre


def grid_positions(centre, size):
    """Positions in mm of the grid's voxel centres along each axis: three (size,) arrays."""
    step = FIELD_OF_VIEW / size
    axis = (np.arange(size) + 0.5) * step - FIELD_OF_VIEW / 2
    return [c + axis for c in centre]


def tent(targets, sources, width):
    """Row-normalised tent weights (targets x sources) of half-width `width` mm.

    Rows whose target lies outside the sources' extent are zero.
    """
    pitch = sources[1] - sources[0] if len(sources) > 1 else width
    weights = np.clip(1 - np.abs(targets[:, None] - sources) / width, 0, None)
    weights /= np.maximum(weights.sum(1, keepdims=True), 1e-12)
    inside = (targets >= sources[0] - pitch / 2) & (targets <= sources[-1] + pitch / 2)
    weights[~inside] = 0
    return weights.astype(np.float32), inside


def resample(volume, sources, targets):
    """Separable tent resampling; returns the new volume and where it is defined."""
    seen = []
    for axis in range(3):
        pitch = [abs(p[1] - p[0]) if len(p) > 1 else 1 for p in (sources[axis], targets[axis])]
        weights, inside = tent(targets[axis], sources[axis], max(pitch))
        volume = np.moveaxis(np.tensordot(weights, volume, axes=(1, axis)), 0, axis)
        seen.append(inside)
    return volume, seen[0][:, None, None] & seen[1][:, None] & seen[2]


def source_positions(scan):
    return [(np.arange(n) + 0.5) * s for n, s in zip(scan.volume.shape, scan.spacing)]


def to_grid(scan, size):
    """Network input (size, size, size) in 0..1, and the grid positions used."""
    positions = grid_positions(centre_of(scan), size)
    image, seen = resample(scan.volume, source_positions(scan), positions)
    return normalise(image, seen).astype(np.float32), positions


def mask_to_grid(mask, positions):
    """Reference mask as fractions on the grid."""
    image, _ = resample((mask.volume > 0).astype(np.float32), source_positions(mask), positions)
    return image


def from_grid(probability, positions, scan):
    """Linear interpolation of grid probabilities at the scan's voxels; 0 outside the grid."""
    out = probability
    for axis, targets in enumerate(source_positions(scan)):
        pitch = positions[axis][1] - positions[axis][0]
        weights, _ = tent(targets, positions[axis], pitch)
        out = np.moveaxis(np.tensordot(weights, out, axes=(1, axis)), 0, axis)
    return out


def read_validation(path=Path(__file__).with_name("validation.tsv")):
    """Rows of the validation table as dicts."""
    lines = path.read_text().splitlines()
    names = lines[0].split("\t")
    return [dict(zip(names, line.split("\t"))) for line in lines[1:]]
