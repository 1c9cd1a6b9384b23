"""The programs called in this process, and a finished run that takes seconds to make."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoTokenizer, BertConfig, BertModel

from vos.models.encoder import BUNDLED, model_location

HARMLESS = ("he read a book", "the ladder stood", "she cooked soup")
HARMFUL = ("he was hurt", "the ladder fell on him", "she bled")


def call(program: Callable[[], None], *arguments: object) -> tuple[int, str]:
    """Exit code of a program with these arguments, and what it said; 1 and the trace for an error that came through."""
    before, said = sys.argv, io.StringIO()
    sys.argv = ["vos", *map(str, arguments)]
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            program()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(bool(stop.code))
        return code, said.getvalue()
    except Exception:
        return 1, said.getvalue() + traceback.format_exc()
    finally:
        sys.argv = before
    return 0, said.getvalue()


def write_texts(path: Path, n: int, start: int = 0) -> Path:
    """A csv file of `n` texts of two classes."""
    rows = ["text,label"]
    for i in range(start, start + n):
        told, label = ((HARMLESS, "no"), (HARMFUL, "yes"))[i % 2]
        rows.append(f"on day {i} {told[i // 2 % 3]} number {i * 7},{label}")
    path.write_text("\n".join(rows) + "\n", "utf-8")
    return path


def tiny_encoder(folder: Path) -> Path:
    """An encoder of two layers with random weights, and the tokenizer of the bundled one."""
    tokenizer = AutoTokenizer.from_pretrained(model_location(BUNDLED))
    config = BertConfig(vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
                        intermediate_size=32, max_position_embeddings=64)  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def small_training(folder: Path) -> list[str]:
    """Overrides of a training of seconds on files in `folder`, which are written."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("WANDB_MODE", "offline")
    files = {"train": 40, "val": 16, "test": 16, "pool": 60}
    written = {name: write_texts(folder / f"{name}.csv", n, 100 * i) for i, (name, n) in enumerate(files.items())}
    return [
        "data=files",
        *(f"data.{name}={path}" for name, path in written.items()),
        f"model.name={tiny_encoder(folder / 'encoder')}",
        "model.max_length=32",
        "data.positive=yes",
        "loader.batch_size=8",
        "trainer.max_epochs=2",
        "refine.rounds=1",
        "refine.n_outliers=10",
        "callbacks=quiet",
        "logger=none",
        f"paths.cache={folder / 'cache'}",
    ]


def small_synthesis(run: Path) -> list[str]:
    """Overrides of a synthesis of a second."""
    few = ["candidates.n_directions=4", "candidates.targets_per_class=8", "outliers.distance=null"]
    few += [f"candidates.selection.{each}" for each in ("near_duplicate=1.0", "max_cosine=null", "max_distance=50")]
    return [f"run={run}", "n=6", "labeling=none", "progress=false", *few]
