import os
from typing import Optional, Sequence

__version__: str

class NoBrainError(ValueError): ...

class Engine:
    def __new__(
        cls,
        model: Optional["os.PathLike[str]"],
        precision: str,
        threads: Optional[int],
        threshold: Optional[float],
    ) -> "Engine": ...
    def extract(
        self,
        voxels: bytes,
        dtype: str,
        shape: Sequence[int],
        affine: Sequence[Sequence[float]],
        scaling: tuple[float, float],
        distance: bool,
        probability: bool,
    ) -> tuple[bytearray, Optional[bytearray], Optional[bytearray], float, list[str]]: ...
    @property
    def model(self) -> str: ...
    @property
    def precision(self) -> str: ...
