"""The exceptions of this package: one root class, one subclass per cause, each also a built-in exception type.

A message says what was expected, what was found, where, and what to do about it.
"""

from collections.abc import Iterable


class VosError(Exception):
    """Root of every error that this package raises on purpose."""


class ConfigError(VosError, ValueError):
    """A setting, or a combination of settings, that cannot work."""


class DataError(VosError, ValueError):
    """Texts or labels that cannot be used; the message names file, line and column."""


class ShapeError(VosError, ValueError):
    """A tensor whose shape or dtype is not the documented one."""


class NotFittedError(VosError, RuntimeError):
    """A density, or one of its classes, was used before it was fitted."""


class InfeasibleError(VosError, ValueError):
    """A request that no point of feature space can meet, such as a margin together with a radius.

    Attributes:
        classes: the classes for which the request cannot be met; empty if it does not depend on the class.
    """

    def __init__(self, message: str, classes: Iterable[int] = ()) -> None:
        super().__init__(message)
        self.classes = tuple(classes)


class ModelError(VosError, ValueError):
    """A model that cannot be loaded, or cannot be split into features and a linear head."""


class RunError(VosError, RuntimeError):
    """A run directory that is missing, half-written or of another version."""


class LedgerError(VosError, RuntimeError):
    """The ledger cannot be read or written; everything that it confirmed before is still stored."""


class ToolError(VosError, RuntimeError):
    """A labelling tool refused, failed or stopped responding; everything that it confirmed before is kept."""


class ServerError(VosError, RuntimeError):
    """A language-model server refused, failed or stopped responding; its earlier answers are kept."""
