"""Settings of the default batch, with changes."""

from __future__ import annotations

from vos.mining.selection import SelectionSettings
from vos.mining.targets import Potential

selection, potential = SelectionSettings, Potential
