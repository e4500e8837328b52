"""Turns published label maps into compact head maps for image synthesis.

Every source (whole heads, infant brains, bare brain masks) becomes one uint8
volume in RAS+ order at 1 mm: the low five bits are a tissue class of this file,
bit 6 marks the brain including the CSF inside the skull, bit 7 the brain tissue
without outer CSF (sulci closed by 4 mm). Sources without a skull receive a
synthetic CSF layer, skull and scalp grown outwards from the brain.

Run once: python labelmaps.py --data ../shared/data --out RUN_DIR/labelmaps
"""

import argparse
import zlib
from multiprocessing import Pool
from pathlib import Path

import nibabel
import numpy as np
from scipy import ndimage

# tissue classes
AIR, WHITE, CORTEX, THALAMUS, CAUDATE, PUTAMEN, PALLIDUM, HIPPOCAMPUS = range(8)
CEREBELLUM_WHITE, CEREBELLUM_GREY, BRAINSTEM, VENTRICLE, OUTER_CSF = range(8, 13)
CHOROID, LESION = range(13, 15)
ARTERY, EYE, DEEP_SOFT, EYE_MUSCLE, MUCOSA, SKIN, CORD, SINUS = range(15, 23)
BONE, MARROW, OPTIC_NERVE, SUBCUTANEOUS, SPINAL_CSF = range(23, 28)
CLASSES = 28

FULL_BIT, TIGHT_BIT, CLASS_MASK = 64, 128, 31

FREESURFER = {
    WHITE: (2, 41, 251, 252, 253, 254, 255), CORTEX: (3, 42),
    VENTRICLE: (4, 5, 14, 15, 43, 44, 72), CEREBELLUM_WHITE: (7, 46),
    CEREBELLUM_GREY: (8, 47, 172), THALAMUS: (10, 49), CAUDATE: (11, 50, 26, 58),
    PUTAMEN: (12, 51), PALLIDUM: (13, 52), HIPPOCAMPUS: (17, 18, 53, 54),
    BRAINSTEM: (16, 28, 60, 85), OUTER_CSF: (24,), CHOROID: (30, 62, 31, 63),
    LESION: (25, 57, 77, 78, 79),
}
HEAD_2021 = {
    ARTERY: (502,), EYE: (506,), DEEP_SOFT: (507,), EYE_MUSCLE: (508,),
    MUCOSA: (509,), SKIN: (511,), CORD: (512,), SINUS: (514,), BONE: (515,),
    MARROW: (516,), OPTIC_NERVE: (530,),
}
HEAD_2020 = {BONE: (165,), DEEP_SOFT: (258,), EYE: (259,)}


def lookup(table, default):
    """Array of 1024 classes indexed by source label."""
    out = np.full(1024, default, np.uint8)
    out[0] = AIR
    for tissue, labels in table.items():
        out[list(labels)] = tissue
    return out


def distance(mask):
    """Distance in mm (1 mm voxels) from every voxel to `mask`."""
    return ndimage.distance_transform_edt(~mask).astype(np.float32)


def closed(mask, radius):
    """Closing by a ball of `radius` mm, holes filled."""
    grown = distance(mask) <= radius
    return ndimage.binary_fill_holes(distance(~grown) > radius) | mask


def opened(mask, radius):
    """Opening by a ball of `radius` mm: thin protrusions go."""
    return mask & (distance(distance(~mask) > radius) <= radius)


def trimmed(full, tight, tissue):
    """Drop CSF far from the brain, above all around the medulla and spinal cord."""
    reach = distance(tight)
    keep = reach <= 15
    grey = tissue == CEREBELLUM_GREY
    low = np.flatnonzero(grey.any(axis=(0, 1)))[0] + 6
    keep[:, :, :low] = reach[:, :, :low] <= 3
    return full & keep


def load_ras(path):
    """Labels in RAS+ order, resampled (nearest) to 1 mm when needed."""
    image = nibabel.as_closest_canonical(nibabel.load(path))
    labels = np.rint(np.asarray(image.dataobj)).astype(np.int16)
    zoom = np.asarray(image.header.get_zooms()[:3])
    if np.abs(zoom - 1).max() > 0.02:
        labels = ndimage.zoom(labels, zoom, order=0)
    return labels


def cropped(labels, margin):
    """Bounding box of the non-zero labels plus `margin` voxels of air."""
    box = ndimage.find_objects((labels > 0).astype(np.uint8))[0]
    return np.pad(labels[box], margin)


def encode(tissue, full, tight):
    return tissue | (full * np.uint8(FULL_BIT)) | (tight * np.uint8(TIGHT_BIT))


def head_map(path):
    """Whole-head source to an encoded map."""
    labels = cropped(load_ras(path), 2)
    old = "s20" in path.name
    table = FREESURFER | (HEAD_2020 if old else HEAD_2021)
    tissue = lookup(table, CAUDATE)[labels]
    brain = (labels > 0) & (labels < (165 if old else 500))
    solid = brain & (tissue != OUTER_CSF)
    lowest = np.flatnonzero(solid.any(axis=(0, 1)))[0]
    spinal = tissue == OUTER_CSF
    spinal[:, :, lowest:] = False
    tissue[spinal] = SPINAL_CSF
    brain &= ~spinal
    full = closed(brain, 2)
    tight = closed(solid, 4) & full
    full = trimmed(opened(full, 4) | tight, tight, tissue)
    outside = ndimage.binary_opening(tissue == AIR, iterations=2)
    depth = distance(outside)
    soft = tissue == DEEP_SOFT
    tissue[soft & (depth < 9)] = SUBCUTANEOUS
    if old:
        tissue[soft & (depth < 2.5)] = SKIN
        inner = distance(tissue != BONE)
        tissue[(tissue == BONE) & (inner > 2)] = MARROW
    return encode(tissue, full, tight)


def wrapped(tissue, tight, rng):
    """Grow CSF, skull and scalp of random thickness around a bare brain."""
    pad = 34
    tissue, tight = np.pad(tissue, pad), np.pad(tight, pad)
    coarse = rng.normal(size=(6, 6, 6)).astype(np.float32)
    zoom = [s / 6 for s in tissue.shape]
    ripple = ndimage.zoom(coarse, zoom, order=1)[
        :tissue.shape[0], :tissue.shape[1], :tissue.shape[2]]
    tissue = tissue.copy()
    smooth = closed(tight, 8)
    outer = distance(smooth) + 0.5 * ripple
    csf = rng.uniform(0.5, 4)
    bone = csf + rng.uniform(1.2, 6)
    scalp = bone + rng.uniform(2.5, 10)
    full = outer <= csf
    shell = tissue == AIR
    tissue[shell & full] = OUTER_CSF
    tissue[shell & (outer > csf) & (outer <= bone)] = BONE
    tissue[shell & (outer > bone) & (outer <= scalp)] = SUBCUTANEOUS
    tissue[shell & (outer > scalp) & (outer <= scalp + 2)] = SKIN
    # a block of face and neck, ahead of and below the brain
    i, j, k = np.nonzero(tight)
    centre = np.array([i.mean(), j.mean() + rng.uniform(15, 40), k.min() - rng.uniform(-5, 20)])
    radius = np.array([rng.uniform(30, 50), rng.uniform(30, 60), rng.uniform(25, 55)])
    axes = np.ogrid[:tissue.shape[0], :tissue.shape[1], :tissue.shape[2]]
    ball = sum(((a - c) / r) ** 2 for a, c, r in zip(axes, centre, radius)) + 0.15 * ripple
    air = tissue == AIR
    tissue[air & (ball < 1)] = SKIN
    tissue[air & (ball < 0.88)] = DEEP_SOFT
    tissue[air & (ball < 0.25) & (ripple > 0)] = MUCOSA
    for side in (-1, 1):
        eye = [centre[0] + side * rng.uniform(18, 26), j.max() - rng.uniform(-8, 12),
               k.min() + rng.uniform(8, 25)]
        globe = sum((a - c) ** 2 for a, c in zip(axes, eye))
        tissue[(globe < rng.uniform(9, 12) ** 2) & ~full] = EYE
    return encode(tissue, full, tight & full)


def infant_map(path, rng):
    labels = cropped(load_ras(path), 2)
    tissue = lookup(FREESURFER, CAUDATE)[labels]
    return wrapped(tissue, closed(labels > 0, 4), rng)


def shape_map(path, rng):
    """Bare brain mask: invent a cortical ribbon, white matter and ventricles."""
    mask = ndimage.binary_fill_holes(cropped(load_ras(path), 2) > 0)
    depth = distance(~mask)
    coarse = rng.normal(size=[max(2, s // 9) for s in mask.shape]).astype(np.float32)
    zoom = [s / c for s, c in zip(mask.shape, coarse.shape)]
    ripple = ndimage.zoom(coarse, zoom, order=1)[tuple(slice(0, s) for s in mask.shape)]
    tissue = np.where(mask, CORTEX, AIR).astype(np.uint8)
    tissue[mask & (depth + 2.5 * ripple > 4)] = WHITE
    tissue[mask & (depth > 32) & (ripple > 0.4)] = VENTRICLE
    tissue[mask & (depth > 24) & (ripple < -0.6)] = PUTAMEN
    tissue[mask & (depth < 5) & (ripple < -1.2)] = OUTER_CSF
    return wrapped(tissue, mask, rng)


BUILDERS = {"head": head_map, "infant_brain": infant_map, "brainmask_shapes": shape_map}


def build(job):
    path, kind, variant, target = job
    if target.exists():
        return
    rng = np.random.default_rng(zlib.crc32(f"{path.name} {variant}".encode()))
    encoded = head_map(path) if kind == "head" else BUILDERS[kind](path, rng)
    partial = target.with_suffix(".tmp")
    with open(partial, "wb") as sink:
        np.save(sink, encoded)
    partial.rename(target)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    jobs = []
    for kind, variants in (("head", 1), ("infant_brain", 2), ("brainmask_shapes", 1)):
        for path in sorted((options.data / "labelmaps" / kind).glob("*.nii.gz"), reverse=True):
            if "colin27_mcx" in path.name:  # GPL-3: not used for training
                continue
            for variant in range(variants):
                name = f"{kind}-{path.name.removesuffix('.nii.gz')}-{variant}.npy"
                jobs.append((path, kind, variant, options.out / name))
    with Pool(options.workers) as pool:
        for done, _ in enumerate(pool.imap(build, jobs), 1):
            print(f"{done}/{len(jobs)}", flush=True)


if __name__ == "__main__":
    main()
