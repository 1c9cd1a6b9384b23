"""Settings of the default batch, with changes."""

from __future__ import annotations

from typing import Any

from vos.generation.particles import Sampling
from vos.generation.settings import GenerationSettings, Stages
from vos.mining.select import SelectionSettings
from vos.mining.targets import Potential

selection, potential, stages = SelectionSettings, Potential, Stages


def generation(**changes: Any) -> GenerationSettings:
    """`GenerationSettings`."""
    return GenerationSettings(**({"sampling": Sampling(temperature=0.5, top_p=0.9)} | changes))
