import threading
import time
import warnings

import nibabel
import numpy as np
import pytest

import endocast

SHAPE = (64, 76, 64)
LAYERS = [((84, 102, 88), 700), ((79, 97, 83), 80), ((73, 90, 76), 150), ((70, 86, 72), 450), ((62, 78, 64), 650)]


def head():
    """Nested ellipsoids in which the shipped model finds a brain; voxels of 3 mm."""
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = [-1.5 * (n - 1) for n in SHAPE]
    at = np.stack(np.meshgrid(*(3.0 * (np.arange(n) - (n - 1) / 2) for n in SHAPE), indexing="ij"), -1)
    voxels = (np.arange(at[..., 0].size).reshape(SHAPE, order="F") % 11).astype(np.int16)
    value = np.zeros(SHAPE, np.int16)
    for radii, brightness in LAYERS:
        value[((at / radii) ** 2).sum(-1) < 1] = brightness
    return voxels + value, affine


@pytest.fixture(scope="module")
def session():
    return endocast.Session(threads=2)


@pytest.fixture(autouse=True)
def ignore_suspicion():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", endocast.SuspiciousMask)
        yield


def test_arrays(session):
    voxels, affine = head()
    found = session.extract(voxels, affine, distance=True, probability=True)
    assert found.mask.dtype == np.uint8 and found.mask.shape == SHAPE
    assert set(np.unique(found.mask)) == {0, 1}
    ellipsoid = 4 / 3 * np.pi * 70 * 86 * 72 / 1000
    assert abs(found.volume_ml / ellipsoid - 1) < 0.3
    assert found.volume_ml == pytest.approx(found.mask.sum() * 0.027)
    assert np.array_equal(found.distance <= 0, found.mask == 1)
    assert found.probability.min() >= 0 and found.probability.max() <= 1
    assert 0 <= found.score <= 1
    found.mask[0, 0, 0] = 1  # the caller's own
    plain = session.extract(voxels, affine)
    assert plain.distance is None and plain.probability is None


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "uint16", ">i2", ">f4"])
def test_types_and_orders_do_not_matter(session, dtype):
    voxels, affine = head()
    expected = session.extract(voxels, affine).mask
    assert np.array_equal(session.extract(voxels.astype(dtype), affine).mask, expected)
    assert np.array_equal(session.extract(np.asfortranarray(voxels), affine).mask, expected)
    flipped = affine.copy()
    flipped[0] = [-3, 0, 0, affine[0, 3] + 3 * (SHAPE[0] - 1)]
    assert np.array_equal(session.extract(voxels[::-1], flipped).mask[::-1], expected)


@pytest.mark.parametrize("name", ["head.nii.gz", "head.nii", "head.mgz"])
def test_images(session, tmp_path, name):
    voxels, affine = head()
    expected = session.extract(voxels, affine).mask
    kind = nibabel.MGHImage if name.endswith("mgz") else nibabel.Nifti1Image
    path = tmp_path / name
    nibabel.save(kind(voxels, affine), path)
    image = nibabel.load(path)
    for scan in (image, path, str(path)):
        mask = session.extract(scan).mask
        assert type(mask) is kind and mask.get_data_dtype() == np.uint8
        assert np.array_equal(mask.affine, image.affine)
        assert np.array_equal(np.asarray(mask.dataobj), expected)
    saved = tmp_path / f"mask_{name}"
    nibabel.save(mask, saved)
    assert np.array_equal(np.asarray(nibabel.load(saved).dataobj), expected)
    assert np.array_equal(np.asarray(endocast.extract(image, threads=1).dataobj), expected)


def test_four_dimensions_warn(session):
    voxels, affine = head()
    with pytest.warns(UserWarning, match="first of 2"):
        mask = session.extract(np.stack([voxels, voxels[::-1]], -1), affine).mask
    assert np.array_equal(mask, session.extract(voxels, affine).mask)


def test_suspicion_is_a_warning(session):
    voxels, affine = head()
    affine[:3, :3] *= 0.5
    with pytest.warns(endocast.SuspiciousMask, match="looks wrong"):
        try:
            session.extract(voxels, affine)
        except endocast.NoBrainError:
            pytest.fail("a small head is still a head")


def test_errors(session, tmp_path):
    voxels, affine = head()
    for scan, transform, message in [
        (voxels, None, "needs an affine"),
        (voxels, np.eye(3), "4 x 4"),
        (voxels, np.zeros((4, 4)), "parallel"),
        (voxels[0], affine, "three dimensions"),
        (voxels[:1], affine, "not a 3-D image"),
        (voxels.astype(complex), affine, "complex128"),
        (np.zeros(SHAPE), affine, "constant"),
    ]:
        with pytest.raises(ValueError, match=message):
            session.extract(scan, transform)
    (tmp_path / "not.model").write_bytes(bytes(64))
    for options, error in [
        ({"model": tmp_path / "none.model"}, ValueError),
        ({"model": tmp_path / "not.model"}, RuntimeError),
        ({"precision": "int4"}, ValueError),
        ({"threads": 0}, ValueError),
        ({"threshold": 1.5}, ValueError),
    ]:
        with pytest.raises(error):
            endocast.Session(**options)
    assert issubclass(endocast.NoBrainError, ValueError)


def test_the_interpreter_is_free_meanwhile(session):
    voxels, affine = head()
    expected = session.extract(voxels, affine).mask
    masks, ticks, done = [], [], threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.002)

    def work():
        masks.append(session.extract(voxels, affine).mask)

    clock = threading.Thread(target=tick)
    workers = [threading.Thread(target=work) for _ in range(2)]
    clock.start()
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    elapsed = time.perf_counter() - start
    done.set()
    clock.join()
    assert all(np.array_equal(mask, expected) for mask in masks)
    assert max(np.diff(ticks)) < elapsed / 2


def test_session_describes_itself(session):
    assert session.precision in ("int8", "f32")
    assert session.model in repr(session)
    assert endocast.__version__.count(".") == 2
