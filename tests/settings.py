"""Settings as conf has them, with changes: no test writes a default of its own."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

from hydra.utils import instantiate
from omegaconf import OmegaConf

from tests.conftest import ROOT


@cache
def _conf(path: str) -> Any:
    file, *keys = path.split(".")
    node = OmegaConf.load(ROOT / "conf/candidates" / f"{file}.yaml")
    root = OmegaConf.merge(node, {"n": 100})
    for key in keys:
        root = root[key]
    return instantiate(root)


def selection(**changes: Any) -> Any:
    """`SelectionSettings` for 100 texts."""
    return replace(_conf("pool.selection"), **changes)


def potential(**changes: Any) -> Any:
    """`Potential`."""
    return replace(_conf("pool.potential"), **changes)
