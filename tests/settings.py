"""Settings of the default batch, with changes."""

from __future__ import annotations

from vos.mining.select import SelectionSettings
from vos.mining.targets import Potential

selection, potential = SelectionSettings, Potential
