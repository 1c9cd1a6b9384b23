"""A density on disk: safetensors, with its settings as JSON in the header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from vos.errors import RunError
from vos.storage.atomic import replacing
from vos.storage.sealed import OPEN, SEAL, check_sealed, save_sealed

FORMAT_VERSION = 1
"""Version of the density file."""

_KEY = "vos_density"


def write_density(path: Path, tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> None:
    """Write tensors and settings atomically; the same content gives the same bytes."""
    content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    header = json.dumps({"format_version": FORMAT_VERSION, **settings, SEAL: OPEN}, sort_keys=True, allow_nan=False)
    with replacing(path) as partial:  # one key: the library does not preserve the order of several
        save_sealed(partial, lambda _: save_file(content, partial, metadata={_KEY: header}))


def read_density(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors (on the CPU) and settings that `write_density` wrote.

    Raises:
        RunError: there is no such file, it is damaged, or it is not a density file of this version.
    """
    check_sealed(path)
    try:
        with safe_open(path, framework="pt") as file:
            settings: dict[str, Any] = json.loads((file.metadata() or {})[_KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - the handle is no mapping
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise RunError(f"{path}: expected a density file, got {type(error).__name__}: {error}") from error
    version = settings.pop("format_version", None)
    settings.pop(SEAL, None)
    settings.setdefault("kind", "ClassConditionalGaussian")  # the only kind when files did not yet name it
    if version != FORMAT_VERSION:
        raise RunError(f"{path}: expected density format {FORMAT_VERSION}, found {version}: fit and save it again")
    return tensors, settings
