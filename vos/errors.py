"""Errors of the product: one root, one class per cause, each also a standard type.

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
    """A margin and a radius that no point can have together.

    Attributes:
        classes: the classes for which the request cannot be met; empty where it is not a matter of classes.
    """

    def __init__(self, message: str, classes: Iterable[int] = ()) -> None:
        super().__init__(message)
        self.classes = tuple(classes)


class ModelError(VosError, ValueError):
    """A model that cannot be loaded, or cannot be split into features and a linear head."""


class RunError(VosError, RuntimeError):
    """A run directory that is missing, half-written or of another version."""


class LedgerError(VosError, RuntimeError):
    """The ledger cannot be read or written; what was acknowledged before is still in it."""


class ToolError(VosError, RuntimeError):
    """A labelling tool refused, failed or went away; what it acknowledged before is kept."""


class ServerError(VosError, RuntimeError):
    """A server of a language model refused, failed or went away; what it answered before is kept."""
