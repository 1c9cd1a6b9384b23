"""Errors of the labelling room."""

from vos.errors import VosError


class LedgerError(VosError, RuntimeError):
    """The ledger cannot be read or written; what was acknowledged before is still in it."""


class ToolError(VosError, RuntimeError):
    """A labelling tool refused, failed or went away; what it acknowledged before is kept."""
