"""What the program knows and a configuration cannot: sizes, and the memory of features.

A configuration leaves such an argument open with `_partial_: true`; it is filled here by its name, whatever the object.
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
    """What `instantiate` made; a partial is called with those of the known values that its constructor names.

    A density takes `n_classes` and `n_features`; a loss takes both or the first alone.
    """
    if not isinstance(made, partial):
        return made
    wanted = inspect.signature(made.func).parameters
    return made(**{name: value for name, value in known.items() if name in wanted})


def build_sampler(
    config: DictConfig, harmful: Sequence[int], memory: Callable[[], tuple[Tensor, Tensor]]
) -> OutlierSampler:
    """The sampler of the group `outliers`; one that draws around texts, and not from a Gaussian alone, reads `memory`.

    Args:
        config: the group.
        harmful: indices of the harmful classes; a sampler between sides draws between these and the others.
        memory: gives features (n, d) and labels (n,) of the training texts.
    """
    sampler: OutlierSampler = completed(instantiate(config, _convert_="all"), memory=memory)
    return with_sides(sampler, harmful)


def synthesis_settings(config: DictConfig) -> SynthesisSettings:
    """What `candidates` and `acquisition` say together.

    Raises:
        ConfigError: they do not go together.
    """
    settings: SynthesisSettings = instantiate(config.candidates)
    return dataclasses.replace(settings, acquisition=instantiate(config.acquisition))
