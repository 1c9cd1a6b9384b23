"""Hides messages of other libraries that a user can do nothing about."""

from __future__ import annotations

import logging
import warnings

from transformers.utils import logging as transformers_logging

MESSAGES = (
    # Lightning: batches are loaded faster than they are used, and resumed runs reuse their folders.
    r".*does not have many workers",
    r".*Checkpoint directory .* exists and is not empty",
    r".*Experiment logs directory .* exists and is not empty",
    r".*module.s. in eval mode at the start of training",
    r".*treespec, LeafSpec.*",
)
"""Regular expressions for the beginnings of Python warnings that are not shown."""


def quiet_libraries() -> None:
    """Hide useless messages of other libraries; their errors and other warnings are still shown."""
    transformers_logging.set_verbosity_warning()
    transformers_logging.disable_progress_bar()
    transformers_logging.disable_default_handler()  # its messages propagate to our handlers
    transformers_logging.enable_propagation()
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger("faiss").setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    for message in MESSAGES:
        warnings.filterwarnings("ignore", message=message)
