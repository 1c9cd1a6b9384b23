"""The part of the artefacts that the page needs, checked and compacted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from vos.atlas.artefacts import VERSION
from vos.errors import RunError
from vos.storage.json_files import read_json
from vos.storage.sealed import unsealed

VIEWS = (
    "outliers", "saliency", "flips", "shortcuts", "differences", "coverage", "importance", "communities",
    "token_graphs", "directions", "vocabulary", "dreams", "trust",
)  # fmt: skip
"""Optional artefacts, in addition to `texts`."""

COLUMNS = (
    "text", "uid", "split", "label", "prediction", "margin", "probability", "distance", "near", "batch", "answer",
    "cluster",
)  # fmt: skip
"""Columns of the texts, with one value per text."""

PIECE_ROWS = "token_rows"
"""Key of an artefact: the texts that have each of its tokens, see `TokenRows.of`."""

READ = {
    "texts": (*COLUMNS, "run", "outputs", "columns", "neighbours", "train", "pca"),
    "outliers": ("margin", "distance", "class", "nearest", "nearest_distance", "tenth", "lens"),
    "saliency": ("method", "words", "random_deletion"),
    "flips": ("index", "flip", "random_rate", "tried"),
    "shortcuts": ("rows", "sweep"),
    "differences": ("pairs",),
    "coverage": ("clusters", "bands", "cells", "totals"),
    "importance": ("layers", "units", "score", "top", "sets", "conductance", PIECE_ROWS),
    "communities": ("settings", "views", "control", "senses", "pos", PIECE_ROWS),
    "token_graphs": ("graphs", "similar", "all", PIECE_ROWS),
    "directions": (
        "method",
        "n",
        "parts",
        "residual",
        "positive",
        "constant",
        "pair",
        "n_pairs",
        "cards",
        "compared",
        "stability",
    ),
    "vocabulary": ("layers", "units", "logit_lens", PIECE_ROWS),
    "dreams": ("targets",),
    "trust": ("control", "times", "peak_memory_mib", "dropped", "settings", "versions"),
}
"""The fields of each artefact that the page reads; no others enter it, so a blind page can seal all that it must."""

BY_TEXT = {"saliency": ("words", "method"), "directions": ("parts", "residual", "positive")}
"""Fields of other artefacts with one value per text."""

Artefacts = Mapping[str, Mapping[str, Any]]


def read_artefacts(folder: Path) -> dict[str, dict[str, Any]]:
    """The existing artefacts of a folder, by name; see `VIEWS`.

    Args:
        folder: contains `texts.json` and `NAME.json` for every view.

    Raises:
        RunError: `texts.json` is missing, or a file is incomplete, of another version, or of other texts.
    """
    if not (folder / "texts.json").exists():
        raise RunError(
            f"{folder}: expected texts.json, found none; make the artefacts first: python -m vos atlas run=RUN"
        )
    names = ["texts", *(name for name in VIEWS if (folder / f"{name}.json").exists())]
    artefacts = {name: _whole(folder / f"{name}.json") for name in names}
    for name, values in artefacts.items():
        if values.get("version") != VERSION:
            raise RunError(
                f"{folder / name}.json: expected version {VERSION}, got {values.get('version')!r}; "
                f"make it again: python -m vos atlas run=RUN only={name}"
            )
    check(artefacts, folder)
    return artefacts


def _whole(path: Path) -> dict[str, Any]:
    """Read an artefact that was found to be intact before; damaged ones were made again."""
    return unsealed(read_json(path), path)


def check(artefacts: Artefacts, folder: Path) -> None:
    """Check that the sizes of the artefacts match their texts.

    Raises:
        RunError: a column is missing or has another length; the message names file and column.
    """
    texts = artefacts["texts"]
    missing = sorted({*COLUMNS, "run", "columns", "neighbours", "train"} - set(texts))
    if missing:
        raise RunError(f"{folder / 'texts.json'}: expected {missing}, found none; make it again")
    n = len(texts["text"])
    sizes = {("texts", name): len(texts[name]) for name in COLUMNS}
    sizes |= {("texts", f"columns.{name}"): len(values) for name, values in texts["columns"].items()}
    if texts.get("outputs") is not None:
        sizes["texts", "outputs"] = len(texts["outputs"])
    for name, columns in BY_TEXT.items():
        for column in columns if name in artefacts else ():
            sizes[name, column] = len(artefacts[name][column])
    for (name, column), size in sizes.items():
        if size != n:
            raise RunError(
                f"{folder / name}.json: expected {n} values of {column}, one a text, got {size}; "
                f"make it again: python -m vos atlas run=RUN only={name}"
            )


def slim(artefacts: Artefacts) -> dict[str, dict[str, Any]]:
    """The artefacts in the form that the page reads: four significant digits, saliency as rows of gap, length, value.

    Fields that the page does not read are left out; see `READ`.
    """
    made = {
        name: {key: values[key] for key in (*READ[name], "checks", "seconds") if key in values}
        for name, values in artefacts.items()
        if name in READ
    }
    made["texts"]["tokens"] = {}  # several views show the same tokens
    for values in made.values():
        made["texts"]["tokens"] |= values.pop(PIECE_ROWS, {})
    made.get("trust", {}).pop("checks", None)  # they repeat those of the other artefacts
    if "saliency" in made:
        made["saliency"]["words"] = [None if words is None else flat(words) for words in made["saliency"]["words"]]
    if "flips" in made:
        made["flips"]["flip"] = [each and _flip(each) for each in made["flips"]["flip"]]
    return {name: _rounded(values) for name, values in made.items()}


def gaps(rows: Sequence[int]) -> list[int]:
    """Ascending numbers as the first and the differences, which are short.

    Example:
        >>> gaps([3, 5, 105])
        [3, 2, 100]
    """
    return [row - before for before, row in pairwise([0, *rows])]


def flat(words: Sequence[Sequence[float]]) -> list[float]:
    """Flatten spans with values into one row: gap since the previous end, length, value with two decimals.

    Example:
        >>> flat([[0, 3, 0.514], [4, 9, -1.25]])
        [0, 3, 0.51, 1, 5, -1.25]
    """
    row: list[float] = []
    at = 0
    for start, end, value in words:
        row += [int(start) - at, int(end - start), round(float(value), 2)]
        at = int(end)
    return row


def _flip(flip: Mapping[str, Any]) -> dict[str, Any]:
    """A flip of a single edit lists it once."""
    edits = flip.get("edits") or []
    return {key: value for key, value in flip.items() if key != "edits"} | ({"edits": edits} if len(edits) > 1 else {})


def _rounded(values: Any) -> Any:
    if isinstance(values, float):
        return _digits(values)
    if isinstance(values, Mapping):
        return {key: _rounded(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [_rounded(value) for value in values]
    return values


def _digits(value: float) -> float | int | None:
    if not math.isfinite(value):
        return None
    short = float(f"{value:.4g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short
