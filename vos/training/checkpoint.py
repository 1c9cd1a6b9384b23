"""A finished round on disk: its numbers, the logits that the next shift needs, and the module's state."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file, load_model, save_file, save_model
from torch import Tensor, nn

from vos.errors import RunError
from vos.storage.atomic import replacing
from vos.storage.json_files import numbers, read_json, write_json
from vos.storage.run_directory import RunDirectory


@dataclass(frozen=True)
class RoundCheckpoint:
    """What a resumed run needs of a finished round.

    Attributes:
        number: 0 is plain training.
        metrics: flat names to numbers; NaN, which the file has as null, where there was nothing to measure.
        val_logits: (n, C) of the validation texts.
    """

    number: int
    metrics: dict[str, float]
    val_logits: Tensor

    def write(self, run: RunDirectory) -> None:
        """Keep the round; the JSON file comes last and marks it as finished."""
        run.rounds.mkdir(parents=True, exist_ok=True)
        save_file({"val_logits": self.val_logits.contiguous()}, run.rounds / f"{self.number}.safetensors")
        write_json(run.rounds / f"{self.number}.json", self.metrics)


def read_round(run: RunDirectory, number: int) -> RoundCheckpoint | None:
    """The finished round `number`, or None."""
    path = run.rounds / f"{number}.json"
    if not path.exists():
        return None
    return RoundCheckpoint(
        number, numbers(read_json(path)), load_file(run.rounds / f"{number}.safetensors")["val_logits"]
    )


def save_state(module: nn.Module, path: Path) -> None:
    """Write every parameter and buffer as safetensors, atomically."""
    with replacing(path) as partial:
        save_model(module, str(partial))


def load_state(module: nn.Module, path: Path) -> None:
    """Read what `save_state` wrote."""
    load_model(module, str(path), strict=True)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Around what reads a checkpoint of Lightning with `weights_only`: a pickle that names code is not run.

    Raises:
        RunError: the checkpoint holds more than weights and plain values.
    """
    try:
        yield
    except pickle.UnpicklingError as error:
        raise RunError(
            f"{path}: expected weights and plain values, found a pickle that asks for code, which was not run; delete "
            "the file and resume: its round begins anew"
        ) from error
