"""Chooses a batch by the acquisition method of the settings."""

from __future__ import annotations

from pathlib import Path

from vos.mining.acquisition import TargetAcquisition
from vos.synthesis.acquired import Acquired
from vos.synthesis.by_sample import acquire_by_sample
from vos.synthesis.by_target import acquire_by_target
from vos.synthesis.job import SynthesisJob


def acquire(job: SynthesisJob, journal: Path) -> Acquired:
    """Choose the batch of a job.

    Args:
        job: see `SynthesisJob`.
        journal: file for made texts; not written if none are made.
    """
    acquisition = job.settings.acquisition
    if isinstance(acquisition, TargetAcquisition):
        return acquire_by_target(job, acquisition, journal)
    return acquire_by_sample(job, acquisition, journal)
