"""What other libraries say, without the messages that a user can do nothing about."""

from __future__ import annotations

import logging
import warnings

from transformers.utils import logging as transformers_logging

MESSAGES = (
    # Lightning: batches are made faster than they are used, and runs are resumed into folders of their own.
    r".*does not have many workers",
    r".*Checkpoint directory .* exists and is not empty",
    r".*Experiment logs directory .* exists and is not empty",
    r".*module.s. in eval mode at the start of training",
    r".*treespec, LeafSpec.*",
)
"""Beginnings of warnings of Python, as regular expressions, that are not shown."""


def quiet_libraries() -> None:
    """Keep other libraries' chatter out of the console; their errors and other warnings still come through."""
    transformers_logging.set_verbosity_warning()
    transformers_logging.disable_progress_bar()
    transformers_logging.disable_default_handler()  # its messages go where all others do
    transformers_logging.enable_propagation()
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger("faiss").setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)
    for message in MESSAGES:
        warnings.filterwarnings("ignore", message=message)
