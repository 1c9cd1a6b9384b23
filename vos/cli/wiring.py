"""Fills in arguments that are known only at run time: sizes, and the buffer of features.

A configuration leaves such an argument open with `_partial_: true`; it is filled in here by its name.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import Tensor

from vos.outliers import with_sides
from vos.synthesis.job import SynthesisSettings
from vos.types import OutlierSampler


def completed(made: Any, **known: Any) -> Any:
    """Complete an object of `instantiate`; a partial is called with those known values that its constructor accepts.

    A density takes `n_classes` and `n_features`; a loss takes both or only the first.
    """
    if not isinstance(made, partial):
        return made
    wanted = inspect.signature(made.func).parameters
    return made(**{name: value for name, value in known.items() if name in wanted})


def build_sampler(
    config: DictConfig, harmful: Sequence[int], memory: Callable[[], tuple[Tensor, Tensor]]
) -> OutlierSampler:
    """Build the sampler of the group `outliers`; a sampler that draws around texts reads `memory`.

    Args:
        config: the group.
        harmful: indices of the harmful classes, for samplers that draw between the two sides.
        memory: returns features (n, d) and labels (n,) of the training texts.
    """
    sampler: OutlierSampler = completed(instantiate(config, _convert_="all"), memory=memory)
    return with_sides(sampler, harmful)


def synthesis_settings(config: DictConfig) -> SynthesisSettings:
    """Build the settings from the groups `candidates` and `acquisition`.

    Raises:
        ConfigError: the two groups are incompatible.
    """
    settings: SynthesisSettings = instantiate(config.candidates)
    return dataclasses.replace(settings, acquisition=instantiate(config.acquisition))
