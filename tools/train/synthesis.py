"""Random head images from label maps, in the manner of SynthSeg and SynthStrip.

All images live on an N x N x N grid of 240 mm (spacing 240 / N mm), axes in
RAS+ order. A sample is (image float16 in 0..1, target uint8 (2, N, N, N) with
255 = full membership: brain with CSF, brain tissue).
"""

import numpy as np
import torch
from scipy import ndimage
from torch.nn import functional

from labelmaps import (
    AIR, ARTERY, BONE, BRAINSTEM, CAUDATE, CEREBELLUM_GREY, CEREBELLUM_WHITE, CHOROID,
    CLASS_MASK, CLASSES, CORD, CORTEX, DEEP_SOFT, EYE, EYE_MUSCLE, FULL_BIT, HIPPOCAMPUS,
    LESION, MARROW, MUCOSA, OPTIC_NERVE, OUTER_CSF, PALLIDUM, PUTAMEN, SINUS, SKIN,
    SPINAL_CSF, SUBCUTANEOUS, THALAMUS, TIGHT_BIT, VENTRICLE, WHITE)

FIELD_OF_VIEW = 240.0  # mm

GROUPS = {
    "white": (WHITE, CEREBELLUM_WHITE, BRAINSTEM, CORD, OPTIC_NERVE),
    "grey": (CORTEX, CEREBELLUM_GREY, HIPPOCAMPUS),
    "deep": (THALAMUS, CAUDATE, PUTAMEN, PALLIDUM),
    "csf": (VENTRICLE, OUTER_CSF, SPINAL_CSF, CHOROID),
    "lesion": (LESION,), "vessel": (ARTERY, SINUS), "eye": (EYE,),
    "muscle": (DEEP_SOFT, EYE_MUSCLE), "fat": (SUBCUTANEOUS,), "skin": (SKIN,),
    "mucosa": (MUCOSA,), "bone": (BONE,), "marrow": (MARROW,),
}
NAMES = tuple(GROUPS)

# Rough relative signal of the groups above, in their order.
CONTRASTS = {
    #             wm   gm   deep csf  les  ves  eye  mus  fat  skin muc  bone mar
    "t1":        (.75, .52, .60, .15, .45, .30, .18, .42, 1.0, .60, .50, .06, .75),
    "t1c":       (.62, .48, .52, .15, .80, .95, .18, .48, .95, .65, .95, .06, .70),
    "t2":        (.36, .52, .42, 1.0, .80, .12, .95, .20, .65, .40, .80, .05, .45),
    "flair":     (.48, .62, .55, .12, .95, .20, .12, .30, .60, .45, .70, .05, .40),
    "flair-fs":  (.60, .80, .70, .12, 1.0, .20, .12, .35, .15, .35, .80, .05, .12),
    "pd":        (.60, .75, .70, .85, .80, .30, .80, .50, .80, .60, .75, .08, .55),
    "epi":       (.45, .60, .50, .85, .70, .30, .75, .12, .10, .10, .20, .03, .05),
    "dwi":       (.62, .60, .60, .15, .90, .08, .12, .08, .05, .05, .08, .03, .04),
    "t1-infant": (.42, .52, .55, .15, .40, .30, .18, .40, .90, .60, .45, .10, .50),
    "t2-infant": (.78, .55, .50, 1.0, .85, .15, .95, .25, .55, .40, .70, .10, .40),
    "ct":        (.30, .33, .33, .25, .35, .35, .28, .32, .15, .28, .20, 1.0, .75),
}
CONTRAST_ODDS = (.22, .12, .16, .10, .08, .05, .09, .05, .05, .05, .03)


def grid_axis(size):
    """Voxel centres of the grid along one axis, mm from its middle."""
    step = FIELD_OF_VIEW / size
    return (np.arange(size, dtype=np.float32) + 0.5) * np.float32(step) - FIELD_OF_VIEW / 2


def field(rng, cells, size):
    """Smooth standard-normal-like field: `cells`^3 values interpolated to size^3."""
    coarse = torch.from_numpy(rng.standard_normal((1, 1, cells, cells, cells), np.float32))
    return functional.interpolate(
        coarse, size=(size,) * 3, mode="trilinear", align_corners=True)[0, 0].numpy()


def texture(rng, size, octaves):
    """Sum of smooth fields of doubling frequency, roughly unit variance."""
    total = np.zeros((size,) * 3, np.float32)
    for cells in octaves:
        if cells < size:
            total += field(rng, cells, size) * rng.uniform(0.4, 1)
    return total / max(total.std(), 1e-3)


def chance(rng, probability):
    return rng.random() < probability


def rotation(angles):
    """3 x 3 matrix of successive rotations about the three axes (radians)."""
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        c, s = np.cos(angle), np.sin(angle)
        i, j = [(1, 2), (0, 2), (0, 1)][axis]
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = c
        turn[i, j], turn[j, i] = -s, s
        matrix = matrix @ turn
    return matrix


class HeadMap:
    """Encoded label volume with the centre that the input convention would find."""

    def __init__(self, path):
        self.codes = np.load(path)
        self.bare_skull = not path.name.startswith("head-")
        i, j, k = np.nonzero(self.codes[::3, ::3, ::3] & CLASS_MASK)
        centre = 3.0 * np.array([i.mean(), j.mean(), k.mean()])
        centre[2] = max(centre[2], 3.0 * k.max() - 110)
        self.centre = centre


def pose(rng, size, centre, small=False):
    """Random placement of a 1 mm volume on the grid.

    Returns gather(volume) -> (8, size^3) values at 2 x 2 x 2 points per voxel
    (nearest source voxel, border repeated), and the rotation used. `centre` is in
    voxels; `small` shrinks an adult head to a child's size.
    """
    spacing = FIELD_OF_VIEW / size
    wide = chance(rng, 0.1)
    angles = rng.uniform(-0.8, 0.8, 3) if wide else rng.normal(0, 0.18, 3)
    turn = rotation(angles)
    scale = np.exp(rng.normal(0, 0.08) + rng.normal(0, 0.05, 3))
    if small:
        scale /= rng.uniform(0.6, 0.9)
    shear = np.eye(3) + np.triu(rng.normal(0, 0.04, (3, 3)), 1)
    matrix = np.diag(scale * [rng.choice([-1, 1]), 1, 1]) @ shear @ turn
    shift = rng.normal(0, 6, 3) if chance(rng, 0.8) else rng.uniform(-30, 30, 3)
    axis = grid_axis(size)
    warps = [(int(rng.integers(3, 7)), abs(rng.normal(0, 4)))]
    warps.append((int(rng.integers(7, 16)), abs(rng.normal(0, 1.6))))
    position = []
    for a in range(3):
        m = matrix[a].astype(np.float32)
        p = (m[0] * axis[:, None, None] + m[1] * axis[None, :, None]
             + m[2] * axis[None, None, :] + np.float32(centre[a] + shift[a]))
        for cells, amount in warps:
            p += np.float32(amount) * field(rng, cells, size)
        position.append(p)

    def gather(volume):
        shape, flat = volume.shape, volume.reshape(-1)
        values = np.empty((8, size, size, size), volume.dtype)
        for n in range(8):
            corner = np.array([1 - 2 * (n & 1), 1 - (n & 2), 1 - (n & 4) / 2])
            offset = matrix @ (spacing / 4 * corner)
            index = np.zeros((size,) * 3, np.int32)
            for a in range(3):
                i = (position[a] + np.float32(offset[a] + 0.5)).astype(np.int32)
                np.clip(i, 0, shape[a] - 1, out=i)
                index *= shape[a]
                index += i
            values[n] = flat[index]
        return values

    return gather, turn


def intensities(rng, infant):
    """(mean, deviation) of each tissue class, mean roughly in 0..1."""
    mean = np.zeros(CLASSES, np.float32)
    if chance(rng, 0.6):
        odds = np.array(CONTRAST_ODDS)
        if infant:
            odds = odds + 0.15 * np.array([n.endswith("infant") for n in CONTRASTS])
        base = np.array(list(CONTRASTS.values())[rng.choice(len(odds), p=odds / odds.sum())])
        group = base * np.exp(rng.normal(0, 0.15, len(base))) + rng.normal(0, 0.03, len(base))
        spread = 0.06
    else:
        group = rng.random(len(NAMES))
        if chance(rng, 0.6):
            group[NAMES.index("bone")] = rng.uniform(0, 0.2)
        if chance(rng, 0.3):
            group[NAMES.index("deep")] = group[NAMES.index("grey")]
        spread = rng.choice([0.02, 0.08, 0.25])
    if chance(rng, 0.3):
        group[NAMES.index("marrow")] = group[NAMES.index("fat")]
    if chance(rng, 0.2):
        group[NAMES.index("vessel")] = rng.uniform(0.7, 1.3)
    for value, classes in zip(group, GROUPS.values()):
        for c in classes:
            mean[c] = value * np.exp(rng.normal(0, spread))
    if chance(rng, 0.5):
        mean[OUTER_CSF] = mean[SPINAL_CSF] = mean[VENTRICLE]
    mean = np.clip(mean, 0, 1.5)
    mean[AIR] = 0 if chance(rng, 0.85) else rng.uniform(0, 0.2)
    deviation = rng.uniform(0, 0.12, CLASSES).astype(np.float32) * rng.choice([0.3, 1])
    deviation[AIR] = 0
    return mean, deviation


def blob(rng, grid, centre, radius, size):
    """Ragged ellipsoid as a level set: negative inside; grid, centre, radius in mm."""
    stretch = np.exp(rng.normal(0, 0.25, 3))
    turn = rotation(rng.uniform(-3, 3, 3))
    relative = [g - c for g, c in zip(grid, centre)]
    level = 0
    for a in range(3):
        along = sum(np.float32(turn[a, b]) * relative[b] for b in range(3))
        level = level + (along * np.float32(stretch[a] / radius)) ** 2
    level = np.sqrt(level)
    cells = int(np.clip(size * 3.75 * 64 / size / radius, 8, size // 2))
    return level + np.float32(rng.uniform(0.05, 0.3)) * field(rng, cells, size) - 1


def edge(level, softness):
    """Smooth 0..1 membership of the inside of a level set."""
    return 1 / (1 + np.exp(np.clip(level / softness, -30, 30)))


def add_pathology(image, full, white, grid, values, rng):
    """Tumours, cavities, infarcts, bleeding and small lesions inside the brain.

    `full` and `white` are volumes of membership (brain, white matter), `values`
    the intensities of (white matter, fluid).
    """
    matter, fluid = values
    size = image.shape[0]
    inside = np.flatnonzero(full.ravel() > 0.9)
    if len(inside) < 50:
        return image

    def anywhere():
        at = np.unravel_index(rng.choice(inside), full.shape)
        return [g.ravel()[i] for g, i in zip(grid, at)]

    def paint(image, weight, value, grain):
        value = value + grain * field(rng, size // 3, size)
        return image + weight * full * (value - image)

    if chance(rng, 0.30):  # tumour: oedema, rim, core
        centre, radius = anywhere(), rng.uniform(8, 32)
        level = blob(rng, grid, centre, radius, size)
        image = paint(image, edge(level - rng.uniform(0.1, 1), 0.15),
                      rng.uniform(0, 1.3) if chance(rng, 0.5) else (matter + fluid) / 2, 0.05)
        rim, core = rng.uniform(0, 1.6, 2)
        if chance(rng, 0.3):
            core = fluid
        image = paint(image, edge(level, 0.06), rim, 0.1)
        image = paint(image, edge(level + rng.uniform(0.1, 0.5), 0.08), core, 0.1)
    if chance(rng, 0.15):  # resection cavity or old infarct, often at the surface
        level = blob(rng, grid, anywhere(), rng.uniform(8, 40), size)
        image = paint(image, edge(level, 0.06),
                      fluid if chance(rng, 0.7) else rng.uniform(0, 1.3), 0.04)
    if chance(rng, 0.10):  # bleeding
        level = blob(rng, grid, anywhere(), rng.uniform(4, 22), size)
        image = paint(image, edge(level, 0.1), rng.choice([0.05, 1.2]), 0.1)
    if chance(rng, 0.25):  # multiple sclerosis or small-vessel disease
        spots = field(rng, size // 4, size)
        image = paint(image, edge(rng.uniform(1.2, 2) - spots, 0.1) * white,
                      rng.uniform(0, 1.2), 0.03)
    return image


def slice_matrix(rng, size, thickness):
    """size x size operator: average into slices of `thickness` mm, linear back."""
    spacing = FIELD_OF_VIEW / size
    centres = np.arange(rng.uniform(0, thickness), FIELD_OF_VIEW, thickness)
    voxels = (np.arange(size) + 0.5) * spacing
    width = max(spacing, thickness * rng.uniform(0.7, 1))
    down = np.clip((width + spacing) / 2 - abs(centres[:, None] - voxels), 0, spacing)
    down /= down.sum(1, keepdims=True)
    if chance(rng, 0.3):
        down *= np.exp(rng.normal(0, 0.06, (len(centres), 1)))
    up = np.clip(1 - abs(voxels[:, None] - centres) / thickness, 0, None)
    up /= np.maximum(up.sum(1, keepdims=True), 1e-6)
    return (up @ down).astype(np.float32)


def along(matrix, image, axis):
    """Apply a size x size matrix along one axis of a volume."""
    return np.moveaxis(np.tensordot(matrix, image, axes=(1, axis)), 0, axis)


def acquire(image, rng):
    """Bias, blur, noise, slices, ghosts and tone of a scanner; any positive scale."""
    size = image.shape[0]
    spacing = FIELD_OF_VIEW / size
    if chance(rng, 0.9):
        bias = field(rng, int(rng.integers(2, 6)), size)
        image = image * np.exp(np.float32(rng.uniform(0, 0.45)) * bias)
    if chance(rng, 0.12):  # susceptibility loss
        at = rng.uniform(-70, 70, 3)
        axis = grid_axis(size)
        r = sum(((axis - c).reshape(np.roll([size, 1, 1], n)) / rng.uniform(15, 40)) ** 2
                for n, c in enumerate(at))
        image = image * (1 - np.float32(rng.uniform(0.4, 1)) * np.exp(-r))
    if chance(rng, 0.5):
        image = ndimage.gaussian_filter(image, rng.uniform(0, 1.6, 3) / spacing, truncate=2.5)
    if chance(rng, 0.9):
        amount = np.float32(abs(rng.normal(0, 0.05)))
        noise = rng.standard_normal((2,) + image.shape, np.float32) * amount
        image = image + noise[0]
        image = np.hypot(image, noise[1]) if chance(rng, 0.6) else np.maximum(image, 0)
    kind = rng.random()
    if kind < 0.40:
        axis = rng.choice(3, p=[0.15, 0.2, 0.65])
        image = along(slice_matrix(rng, size, rng.uniform(3, 7.5)), image, axis)
    elif kind < 0.52:
        for axis in range(3):
            image = along(slice_matrix(rng, size, rng.uniform(2.5, 4.5)), image, axis)
    if chance(rng, 0.06):  # ghost along the phase direction
        image = image + np.float32(rng.uniform(0.03, 0.2)) * np.roll(
            image, int(rng.integers(size // 8, size // 2)), int(rng.integers(3)))
    top = max(np.percentile(image[::3, ::3, ::3], 99.5), 1e-3)
    return np.clip(image / top, 0, 3) ** np.float32(np.exp(rng.normal(0, 0.25)))


def window(rng, size, full):
    """Boolean field of view: a box that may cut the neck, rarely the brain."""
    spacing = FIELD_OF_VIEW / size
    seen = np.ones((size,) * 3, bool)

    def clear(axis, upper, millimetres):
        n = int(np.clip((millimetres + FIELD_OF_VIEW / 2) / spacing, 0, size))
        part = [slice(None)] * 3
        part[axis] = slice(n, None) if upper else slice(0, n)
        seen[tuple(part)] = False

    if chance(rng, 0.55):
        clear(2, False, rng.uniform(-115, -25) if chance(rng, 0.8) else rng.uniform(-60, 20))
    if chance(rng, 0.2):
        clear(2, True, rng.uniform(55, 118))
    for axis in (0, 1):
        if chance(rng, 0.25):
            clear(axis, False, rng.uniform(-118, -62))
        if chance(rng, 0.25):
            clear(axis, True, rng.uniform(62, 118))
    if chance(rng, 0.08):  # tight box around the brain
        for axis in range(3):
            hits = np.flatnonzero(full.any(axis=tuple({0, 1, 2} - {axis})))
            if len(hits):
                clear(axis, False, (hits[0]) * spacing - FIELD_OF_VIEW / 2 - rng.uniform(0, 15))
                clear(axis, True, hits[-1] * spacing - FIELD_OF_VIEW / 2 + rng.uniform(3, 18))
    return seen


def normalise(image, seen):
    """Clamp to the 1st..99.5th percentile of the seen voxels; 0 elsewhere."""
    values = image[seen]
    if values.size == 0:
        return np.zeros_like(image)
    low, high = np.percentile(values, [1, 99.5])
    image = np.clip((image - low) / max(high - low, 1e-6), 0, 1)
    return np.where(seen, image, 0)


def finish(image, full, tight, turn, grid, rng):
    """Scanner effects, field of view, stripping, defacing; the sample's two arrays."""
    size = image.shape[0]
    image = acquire(image.astype(np.float32), rng)
    seen = window(rng, size, full > 0.5)
    kind = rng.random()
    if kind < 0.06:  # skull-stripped input
        keep = (full if chance(rng, 0.5) else tight) + 0.15 * field(rng, size // 4, size)
        image = image * (keep > rng.uniform(0.2, 0.6))
    elif kind < 0.22:  # defaced input: a plane in front of and below the brain
        tilt = rng.uniform(0.2, 1.2)
        normal = turn.T @ np.array([0, np.cos(tilt), -np.sin(tilt)])
        depth = sum(np.float32(n) * g for n, g in zip(normal, grid))
        brain = full > 0.3
        if brain.any():
            removed = depth > depth[brain].max() + rng.uniform(-4, 20)
            image[removed & ~brain] = 0
    elif kind < 0.26:  # wrap-around
        axis = int(rng.integers(3))
        image = image + np.float32(rng.uniform(0.2, 1)) * np.roll(
            image, size // 2 + int(rng.integers(-size // 8, size // 8)), axis)
    target = np.stack([full, tight]) * seen
    image = normalise(image, seen)
    return image.astype(np.float16), np.rint(255 * target).astype(np.uint8)


def synthesise(head, rng, size):
    """One random image of a HeadMap: (image float16 (N,N,N), target uint8 (2,N,N,N))."""
    small = chance(rng, 0.08) and not head.bare_skull
    gather, turn = pose(rng, size, head.centre, small)
    codes = gather(head.codes)
    tissue = codes & CLASS_MASK
    full = np.mean(codes & FULL_BIT != 0, axis=0, dtype=np.float32)
    tight = np.mean(codes & TIGHT_BIT != 0, axis=0, dtype=np.float32)

    def fraction(tissue_class):
        return np.mean(tissue == tissue_class, axis=0, dtype=np.float32)

    mean, deviation = intensities(rng, head.bare_skull)
    table = np.zeros(256, np.float32)
    table[:CLASSES] = mean
    image = sum(table[t] for t in tissue) / 8
    table[:CLASSES] = deviation
    image += table[tissue[0]] * texture(rng, size, (size // 8, size // 4, size // 2))
    image += table[tissue[0]] * rng.standard_normal(image.shape, np.float32) * np.float32(0.5)
    for tissue_class, other in ((DEEP_SOFT, SUBCUTANEOUS), (SUBCUTANEOUS, DEEP_SOFT)):
        mix = texture(rng, size, (8, 16, 32))
        mix = edge(rng.uniform(-0.5, 1.5) - mix, rng.uniform(0.1, 0.8))
        value = mean[other] if chance(rng, 0.7) else rng.uniform(0, 1.2)
        image += fraction(tissue_class) * mix * (value - mean[tissue_class])
    grid = np.meshgrid(*[grid_axis(size)] * 3, indexing="ij")
    if chance(rng, 0.55):
        values = mean[WHITE], mean[VENTRICLE]
        image = add_pathology(image, full, fraction(WHITE), grid, values, rng)
    return finish(image, full, tight, turn, grid, rng)


class MaskedScan:
    """Real scan at 1 mm with a mask for channel 0 (see distil.py)."""

    def __init__(self, path, centre_of):
        with np.load(path) as arrays:
            self.image = np.pad(arrays["image"], 1)
            self.mask = np.pad(arrays["mask"], 1)
        self.centre = centre_of(self.image)


def vary(scan, rng, size):
    """One random variation of a MaskedScan, as `synthesise`; its channel 1 is void."""
    gather, turn = pose(rng, size, scan.centre)
    tone = np.linspace(0, 1, 256) ** np.exp(rng.normal(0, 0.3))
    if chance(rng, 0.35):  # another contrast: a bent, now and then inverted, tone curve
        knots = rng.integers(3, 7)
        bend = rng.uniform(0, 1, knots)
        bend[0] = 0
        tone = 0.4 * tone + 0.6 * np.interp(tone, np.linspace(0, 1, knots), bend)
    image = np.mean(tone.astype(np.float32)[gather(scan.image)], axis=0)
    full = np.mean(gather(scan.mask), axis=0, dtype=np.float32)
    grid = np.meshgrid(*[grid_axis(size)] * 3, indexing="ij")
    inside = image[full > 0.9]
    if chance(rng, 0.4) and inside.size:
        values = np.median(inside), rng.choice(np.percentile(inside, [5, 95]))
        image = add_pathology(image, full, full, grid, values, rng)
    return finish(image, full, full, turn, grid, rng)
