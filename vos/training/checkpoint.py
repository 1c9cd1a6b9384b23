"""Checkpoints of finished rounds: metrics, validation logits for the next boundary shift, and the module's state."""

from __future__ import annotations

import logging
import pickle
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, load_model, save_file, save_model
from torch import Tensor, nn

from vos.errors import RunError
from vos.storage.atomic import replacing
from vos.storage.json_files import numbers, read_json, write_json
from vos.storage.run_directory import RunDirectory
from vos.storage.sealed import SEAL, check_sealed, damaged, save_sealed, sealed, unsealed
from vos.training.frozen import FROZEN, frozen_encoder, left_out, load_rest

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RoundCheckpoint:
    """The data of a finished round that a resumed run needs.

    Attributes:
        number: number of the round; 0 is plain training.
        metrics: flat names to numbers; NaN (null in the file) if there was nothing to measure.
        val_logits: (n, C) logits of the validation texts.
    """

    number: int
    metrics: dict[str, float]
    val_logits: Tensor

    def write(self, run: RunDirectory) -> None:
        """Write the round; the JSON file is written last and marks it as finished."""
        run.rounds.mkdir(parents=True, exist_ok=True)
        content = {"val_logits": self.val_logits.contiguous()}
        with replacing(run.rounds / f"{self.number}.safetensors") as partial:
            save_sealed(partial, lambda seal: save_file(content, partial, metadata=seal))
        write_json(run.rounds / f"{self.number}.json", sealed(self.metrics))


def read_round(run: RunDirectory, number: int) -> RoundCheckpoint | None:
    """Read the finished round `number`; None if it does not exist or a file is damaged, which is logged."""
    path = run.rounds / f"{number}.json"
    if not path.exists():
        return None
    try:
        values = read_json(path)
        if SEAL not in values:
            raise damaged(path)
        metrics = numbers(unsealed(values, path))
        check_sealed(path.with_suffix(".safetensors"))
        return RoundCheckpoint(number, metrics, load_file(path.with_suffix(".safetensors"))["val_logits"])
    except (RunError, SafetensorError, KeyError, OSError, TypeError, ValueError) as error:
        logger.warning("round %d is made again: %s", number, error)
        return None


def rounds_to_go_on_from(run: RunDirectory, best: Callable[[Sequence[RoundCheckpoint]], int]) -> list[RoundCheckpoint]:
    """The finished rounds up to the last one from which a run can continue; files of later rounds are removed.

    A run continues from the state of its last round, and may end with that of its best round. If one of the two is
    damaged or missing, the run continues from an earlier complete round.

    Args:
        run: directory of the run.
        best: returns the number of the round to keep among the given ones.
    """
    found: list[RoundCheckpoint] = []
    while (kept := read_round(run, len(found))) is not None:
        found.append(kept)
    n_read = len(found)
    whole = {each.number for each in found if _is_whole(state_path(run, each.number))}
    while found and not {found[-1].number, best(found)} <= whole:
        found.pop()
    if len(found) < n_read:
        logger.warning("rounds from %d on are made again: a state that they need is damaged or missing", len(found))
    for path in run.rounds.glob("*.json"):
        if path.stem.isdigit() and int(path.stem) >= len(found):
            path.unlink()
    return found


def state_path(run: RunDirectory, number: int) -> Path:
    """Path of the module's state at the end of a round."""
    return run.checkpoints / f"round-{number}.safetensors"


def _is_whole(path: Path) -> bool:
    try:
        check_sealed(path)
        with safe_open(path, framework="pt"):
            return True
    except (RunError, SafetensorError, OSError):
        return False


def remove_damaged(folder: Path) -> None:
    """Remove the checkpoints of a fit if one is damaged: its round is then repeated, with the same result."""
    for path in sorted(folder.glob("*.ckpt")):
        if not _is_whole_archive(path):
            logger.warning("%s is damaged: its round starts again", path)
            shutil.rmtree(folder, ignore_errors=True)
            return


def _is_whole_archive(path: Path) -> bool:
    """Whether the checksums in a zip archive match its content; torch does not check them."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, RuntimeError, zlib.error):
        return False


def steps_done(last: Path) -> int:
    """Optimizer steps before a Lightning checkpoint was written; 0 if it does not exist.

    Raises:
        RunError: see `reading`.
    """
    if not last.exists():
        return 0
    with reading(last):
        return int(torch.load(last, map_location="cpu", weights_only=True, mmap=True)["global_step"])


def save_state(module: nn.Module, path: Path) -> None:
    """Write every parameter and buffer as safetensors, atomically; without those of a frozen encoder.

    A frozen encoder is the one that the run began with, and the file only holds its fingerprint.
    """
    frozen, fingerprint = frozen_encoder(module)
    with replacing(path) as partial:
        if not frozen:
            save_sealed(partial, lambda seal: save_model(module, str(partial), metadata=seal))
            return
        content = {name: value.clone() for name, value in module.state_dict().items() if name not in frozen}
        save_sealed(partial, lambda seal: save_file(content, partial, metadata=seal | {FROZEN: fingerprint}))


def load_state(module: nn.Module, path: Path) -> None:
    """Read what `save_state` wrote.

    Raises:
        RunError: the file is damaged, missing, or of another module or frozen encoder.
    """
    check_sealed(path)
    try:
        with safe_open(path, framework="pt") as file:
            fingerprint = (file.metadata() or {}).get(FROZEN)
        if fingerprint is None:
            load_model(module, str(path), strict=True)
            return
        state = load_file(path)
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise damaged(path, error) from error
    names = left_out(module, fingerprint, path)
    try:
        load_rest(module, state, names)
    except RuntimeError as error:
        raise damaged(path, error) from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Context for reading a Lightning checkpoint with `weights_only`, so that no code in a pickle is run.

    Raises:
        RunError: the checkpoint holds more than weights and plain values.
    """
    try:
        yield
    except pickle.UnpicklingError as error:
        raise RunError(
            f"{path}: expected weights and plain values, found a pickle that asks for code, which was not run; delete "
            "the file and resume: its round starts again"
        ) from error
