"""Reading a saved density whatever its kind."""

from __future__ import annotations

import os
from pathlib import Path

from vos.density.base import GaussianDensity
from vos.density.gaussian import ClassConditionalGaussian
from vos.density.low_rank import LowRankGaussian
from vos.density.storage import read_density
from vos.errors import RunError

_KINDS: dict[str, type[GaussianDensity]] = {kind.__name__: kind for kind in (ClassConditionalGaussian, LowRankGaussian)}


def load_density(path: str | os.PathLike[str]) -> GaussianDensity:
    """The density that `save` wrote, as the class that wrote it, on the CPU.

    Raises:
        RunError: there is no such file, or it is not a density of this version, or of an unknown kind.
    """
    kind = read_density(Path(path))[1]["kind"]
    if kind not in _KINDS:
        raise RunError(f"{path}: expected a density of kind {' or '.join(_KINDS)}, found {kind}")
    return _KINDS[kind].load(path)
