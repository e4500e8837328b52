"""Brain extraction from head MRI on plain CPUs.

    >>> import endocast, nibabel
    >>> mask = endocast.extract(nibabel.load("head.nii.gz"))
    >>> nibabel.save(mask, "mask.nii.gz")

A `Session` keeps the network ready for many scans; `extract` opens one for a single scan.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from typing import Any, Optional, Union

import numpy as np

from ._endocast import Engine, NoBrainError, __version__

__all__ = ["Extraction", "NoBrainError", "Session", "SuspiciousMask", "__version__", "extract"]

_DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64")


class SuspiciousMask(UserWarning):
    """A mask that a person should look at before it is used."""


@dataclass(frozen=True)
class Extraction:
    """What was found in one scan. Images are in the form of the scan: arrays, or nibabel images."""

    mask: Any
    """uint8: 1 in the brain, 0 elsewhere."""
    distance: Optional[Any]
    """float32: signed distance to the mask's surface in mm, negative inside. Where it is at most `b` is
    the mask grown by `b` mm."""
    probability: Optional[Any]
    """float32: brain probability."""
    volume_ml: float
    """Volume of the mask."""
    score: float
    """Score of the mask's quality check, 0 to 1; below 0.5 the mask is suspicious."""
    warnings: list[str]
    """What the quality check found wrong, one line each."""


class Session:
    """A network ready to extract brains, one scan after another.

    Threads of Python may share a session, which then works on their scans in turn; the interpreter is
    not held while it does.

    Parameters
    ----------
    model: path of a model file; by default the model inside this package.
    precision: 'auto', 'f32' or 'int8'; what the model must be.
    threads: how many to compute with; by default one for each core that the process may use.
    threshold: least probability of a brain voxel, between 0 and 1; by default the model's own.

    Raises
    ------
    ValueError: a parameter is wrong, or the file cannot be read. RuntimeError: the file is not a model.
    """

    def __init__(
        self,
        model: Optional[Union[str, "os.PathLike[str]"]] = None,
        precision: str = "auto",
        threads: Optional[int] = None,
        threshold: Optional[float] = None,
    ) -> None:
        if threads is not None and threads < 1:
            raise ValueError("threads is at least 1")
        self._engine = Engine(None if model is None else os.fspath(model), precision, threads, threshold)

    def __repr__(self) -> str:
        return f"<endocast.Session of {self.model!r} in {self.precision}>"

    @property
    def model(self) -> str:
        """Name of the model."""
        return self._engine.model

    @property
    def precision(self) -> str:
        """'f32' or 'int8'."""
        return self._engine.precision

    def extract(
        self,
        scan: Any,
        affine: Optional[Any] = None,
        *,
        distance: bool = False,
        probability: bool = False,
    ) -> Extraction:
        """Extracts the brain of a scan.

        Parameters
        ----------
        scan: a nibabel image, the path of one, or an array of three dimensions with its affine. Of an
            image with four dimensions the first volume is taken, with a warning.
        affine: 4 x 4, from voxel indices to mm towards right, anterior and superior; for arrays only.
        distance, probability: whether to compute these too.

        Raises
        ------
        NoBrainError: no brain was found. ValueError: the scan is not supported.

        A mask that looks wrong is returned with a `SuspiciousMask` warning.
        """
        if isinstance(scan, (str, os.PathLike)):
            import nibabel

            scan = nibabel.load(scan)
        image = scan if hasattr(scan, "dataobj") else None
        if image is not None:
            if affine is not None:
                raise ValueError("an image has an affine of its own")
            voxels, scaling = _stored(image)
            affine = image.affine
        elif affine is None:
            raise ValueError("an array needs an affine")
        else:
            voxels, scaling = np.asarray(scan), (1.0, 0.0)
        if voxels.ndim == 4:
            if voxels.shape[3] > 1:
                warnings.warn(f"taking the first of {voxels.shape[3]} volumes", stacklevel=2)
            voxels = voxels[..., 0]
        if voxels.ndim != 3:
            raise ValueError(f"a scan has three dimensions, not {voxels.ndim}")
        affine = np.asarray(affine, dtype=np.float64)
        if affine.shape != (4, 4):
            raise ValueError("an affine is 4 x 4")
        voxels = _native(voxels)
        mask, distances, probabilities, score, found = self._engine.extract(
            voxels.tobytes(order="F"),
            voxels.dtype.name,
            voxels.shape,
            affine[:3].tolist(),
            scaling,
            distance,
            probability,
        )
        if score < 0.5:
            warnings.warn(f"the mask looks wrong: {'; '.join(found)}", SuspiciousMask, stacklevel=2)

        def shaped(data: Optional[bytearray], dtype: Any) -> Any:
            if data is None:
                return None
            array = np.frombuffer(data, dtype).reshape(voxels.shape, order="F")
            return array if image is None else _like(image, array)

        spacing = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
        return Extraction(
            mask=shaped(mask, np.uint8),
            distance=shaped(distances, np.float32),
            probability=shaped(probabilities, np.float32),
            volume_ml=float(mask.count(1) * np.prod(spacing) / 1000.0),
            score=score,
            warnings=found,
        )


def extract(scan: Any, affine: Optional[Any] = None, **options: Any) -> Any:
    """The brain mask of one scan, in the form of the scan: an array, or a nibabel image.

    Takes what `Session.extract` takes, and as keywords what `Session` takes.
    """
    return Session(**options).extract(scan, affine).mask


def _stored(image: Any) -> tuple[np.ndarray, tuple[float, float]]:
    """Voxels as they are stored, and the map from them to values, as in the image's file."""
    proxy = image.dataobj
    if hasattr(proxy, "get_unscaled"):
        return np.asarray(proxy.get_unscaled()), (float(proxy.slope), float(proxy.inter))
    return np.asarray(proxy), (1.0, 0.0)


def _native(voxels: np.ndarray) -> np.ndarray:
    """The same values in a type that the engine has, in the machine's byte order."""
    if voxels.dtype.kind not in "biuf":
        raise ValueError(f"voxels of type {voxels.dtype} are not supported")
    name = voxels.dtype.name
    if name in _DTYPES:
        return voxels.astype(voxels.dtype.newbyteorder("="), copy=False)
    return voxels.astype("uint8" if name == "bool" else "float32" if name == "float16" else "float64")


def _like(image: Any, array: np.ndarray) -> Any:
    """An image with other voxels on the same grid."""
    header = image.header.copy()
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.shape)
    if "cal_max" in getattr(header, "keys", tuple)():
        header["cal_max"] = header["cal_min"] = 0
    return type(image)(array, image.affine, header)
