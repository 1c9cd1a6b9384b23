"""Distributed training: which process is the first, and how the processes exit."""

from __future__ import annotations

import logging
import os
import sys

RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "JSM_NAMESPACE_RANK")
"""Environment variables in which launchers set the rank of a process, as pytorch-lightning reads them."""


def is_first() -> bool:
    """Whether this is the only process, or the first of several that train together."""
    return all(os.environ.get(name, "0") == "0" for name in RANKS)


def train_together() -> bool:
    """Whether this process is one of several that train together."""
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return False
    return bool(distributed.get_world_size() > 1)


def leave_together(code: int) -> None:
    """Exit this process immediately with `code` if it is one of several that trained together; otherwise do nothing.

    The threads of gloo outlive a destroyed process group and can abort a process ("terminate called without an active
    exception", exit code 134) during interpreter shutdown, although all work is done. So shutdown is skipped: the
    processes wait for each other, destroy the group, flush their output and exit.
    """
    if not train_together():
        return
    distributed = sys.modules["torch.distributed"]
    try:
        if code == 0:
            distributed.barrier()
            distributed.destroy_process_group()
    except RuntimeError as error:  # the other process has exited; its own exit code reports its failure
        sys.stderr.write(f"the processes did not end together: {' '.join(str(error).split())}\n")
    finally:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
