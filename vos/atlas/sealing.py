"""Blind pages: the model's outputs for an unlabelled text are sealed until a person has answered it.

Margin, side, saliency, directions and everything else that reveals them are removed from all artefacts and stored in a
separate chunk per text. Order, map position, counts and examples also reveal them: sealed texts are ordered by a hash,
and are not on a map, in a count by margin, or an example.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from vos.atlas.page_data import BY_TEXT, COLUMNS, Artefacts, gaps
from vos.interpret.coverage_table import BORROWED
from vos.storage.json_files import finite

SEALED = ("prediction", "margin", "probability", "distance", "near", "cluster")
"""Columns of the texts that reveal margin or side."""

COUNTS = ("n", "labelled", "asked", "known", "errors")
"""Counts of a cell of the coverage table."""


def seal(artefacts: Artefacts) -> tuple[dict[str, Any], list[str]]:
    """Remove from the artefacts what they reveal about unlabelled texts, and store it in one chunk per text.

    Args:
        artefacts: as returned by `slim`; not changed.

    Returns: the artefacts, whose texts have an additional column `sealed` (0 or 1) and are reordered; and the chunks of
        the sealed texts in that order: deflated JSON in base64.
    """
    made: dict[str, Any] = copy.deepcopy({name: dict(values) for name, values in artefacts.items()})
    texts = made["texts"]
    n = len(texts["text"])
    order = sorted(range(n), key=lambda i: hashlib.sha256(str(texts["uid"][i]).encode()).digest())
    _reorder(made, order)
    hidden = [texts["label"][i] is None and texts["answer"][i] is None for i in range(n)]
    place = {old: new for new, old in enumerate(order) if not hidden[new]}
    topics = Counter(texts["cluster"][i] for i in range(n) if hidden[i])
    sent = Counter(texts["cluster"][i] for i in range(n) if hidden[i] and texts["batch"][i])
    chunks = [_packed(_take(made, i)) for i in range(n) if hidden[i]]
    texts["sealed"] = [int(each) for each in hidden]
    if "flips" in made:
        _keep_flips(made["flips"], place, order)
    _drop_references(made, place)
    secret = {texts["text"][i] for i in range(n) if hidden[i]}
    for target in made.get("dreams", {}).get("targets", []):
        target["texts"] = [each for each in target["texts"] if each.get("text") not in secret]
    if "coverage" in made:
        _count_again(made, topics, sent)
    return made, chunks


def _reorder(made: dict[str, Any], order: Sequence[int]) -> None:
    def moved(values: Sequence[Any]) -> list[Any]:
        return [values[i] for i in order]

    texts = made["texts"]
    for name in COLUMNS:
        texts[name] = moved(texts[name])
    texts["columns"] = {name: moved(values) for name, values in texts["columns"].items()}
    texts["neighbours"] = {side: moved(values) for side, values in texts["neighbours"].items()}
    place = {old: new for new, old in enumerate(order)}
    texts["tokens"] = {name: gaps(sorted(place[i] for i in accumulate(rows))) for name, rows in texts["tokens"].items()}
    if texts.get("outputs"):
        texts["outputs"] = moved(texts["outputs"])
    if texts.get("pca"):
        texts["pca"] |= {axis: moved(texts["pca"][axis]) for axis in ("x", "y")}
    for name, columns in BY_TEXT.items():
        for column in columns if name in made else ():
            made[name][column] = moved(made[name][column])
    if "flips" in made:  # by text, until those of sealed texts are removed
        flips = made["flips"]
        rows = zip(flips["index"], flips["flip"], flips["tried"], strict=True)
        flips["by_text"] = {i: {"flip": flip, "tried": tried} for i, flip, tried in rows}
        flips["order"] = list(order)


def _take(made: dict[str, Any], i: int) -> dict[str, Any]:
    """Remove and return everything that reveals the text at index `i`."""
    texts, told = made["texts"], {}
    for name in SEALED:
        told[name], texts[name][i] = texts[name][i], None
    told["columns"] = {name: values[i] for name, values in texts["columns"].items()}
    for values in texts["columns"].values():
        values[i] = None
    told["neighbours"] = {side: values[i] for side, values in texts["neighbours"].items()}
    for values in texts["neighbours"].values():
        values[i] = []
    if texts.get("outputs"):
        told["outputs"], texts["outputs"][i] = texts["outputs"][i], None
    if texts.get("pca"):
        told["pca"] = [texts["pca"]["x"][i], texts["pca"]["y"][i]]
        texts["pca"]["x"][i] = texts["pca"]["y"][i] = None
    for name, columns in BY_TEXT.items():
        for column in columns if name in made else ():
            told[column], made[name][column][i] = made[name][column][i], None
    if "flips" in made:
        told |= made["flips"]["by_text"].get(made["flips"]["order"][i], {})
    return told


def _packed(values: Mapping[str, Any]) -> str:
    content = json.dumps(finite(values), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = deflate.compress(content.encode("utf-8", "surrogatepass")) + deflate.flush()
    return base64.b64encode(packed).decode()


def _keep_flips(flips: dict[str, Any], place: Mapping[int, int], order: Sequence[int]) -> None:
    kept = [(place[old], flips["by_text"][old]) for old in order if old in place and old in flips["by_text"]]
    flips["index"] = [i for i, _ in kept]
    for column in ("flip", "tried"):
        flips[column] = [row[column] for _, row in kept]
    del flips["by_text"], flips["order"]


def _drop_references(made: dict[str, Any], place: Mapping[int, int]) -> None:
    """Update the examples in every view: new indices for open texts; sealed texts are dropped."""

    def kept(indices: Sequence[int]) -> list[int]:
        return [place[i] for i in indices if i in place]

    def rows(values: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        return [
            {**row, "i": place[row["i"]]} if "i" in row else row
            for row in values
            if row.get("i", None) in {None, *place}
        ]

    def each(name: str, *path: str) -> list[dict[str, Any]]:
        found = [made[name]] if name in made else []
        for key in path:
            found = [item for holder in found for item in holder.get(key) or []]
        return found

    held = (("shortcuts", "rows"), ("differences", "pairs", "terms"), ("directions", "cards", "ends"),
            ("communities", "senses", "groups"))  # fmt: skip
    for holder in (holder for path in held for holder in each(*path)):
        holder["texts"] = kept(holder["texts"])
    for graph in each("token_graphs", "graphs"):
        graph["examples"] = rows(graph["examples"])
    for target in each("dreams", "targets"):
        target["texts"] = rows(target["texts"])
    if lens := made.get("vocabulary", {}).get("logit_lens"):
        lens["texts"] = rows(lens["texts"])
    if "outliers" in made:
        outliers = made["outliers"]
        pairs = [
            [(i, d) for i, d in zip(indices, distances, strict=True) if i in place]
            for indices, distances in zip(outliers["nearest"], outliers["nearest_distance"], strict=True)
        ]
        outliers["nearest"] = [[place[i] for i, _ in row] for row in pairs]
        outliers["nearest_distance"] = [[d for _, d in row] for row in pairs]


def _count_again(made: dict[str, Any], topics: Mapping[int, int], sent: Mapping[int, int]) -> None:
    """Coverage of the open texts by cell, and of the sealed ones by topic alone.

    A cell without open texts is left out: it would tell that a sealed text lies in its band. Mistakes expected among
    sealed texts come from the open texts of the topic, and are drawn towards the rate of all.
    """
    texts, coverage = made["texts"], made["coverage"]
    cells: dict[tuple[int, int], dict[str, int]] = {}
    for i, margin in enumerate(texts["margin"]):
        band = None if texts["sealed"][i] else _band(margin, coverage["bands"])
        if band is None:
            continue
        cell = cells.setdefault((texts["cluster"][i], band), dict.fromkeys(COUNTS, 0))
        label, answer = texts["label"][i], texts["answer"][i]
        truth = answer if answer is not None else label
        asked, wrong = texts["batch"][i] or answer is not None, truth is not None and truth != texts["prediction"][i]
        for key, value in (("n", True), ("labelled", truth is not None), ("asked", asked),
                           ("known", truth is not None), ("errors", wrong)):  # fmt: skip
            cell[key] += int(value)
    coverage["totals"] = {key: sum(cell[key] for cell in cells.values()) for key in COUNTS}
    rate = coverage["totals"]["errors"] / max(coverage["totals"]["known"], 1)
    coverage["hidden"] = []
    for topic, n in sorted(topics.items()):
        own = [cell for (c, _), cell in cells.items() if c == topic]
        errors, known = (sum(cell[key] for cell in own) for key in ("errors", "known"))
        expected = n * (errors + BORROWED * rate) / (known + BORROWED)
        coverage["hidden"].append(
            {**dict.fromkeys(COUNTS, 0), "cluster": topic, "band": None, "n": n, "asked": sent[topic]}
            | {"expected_errors": round(expected, 3)}
        )
    coverage["cells"] = [
        {**cell, "expected_errors": 0, "cluster": c, "band": b} for (c, b), cell in sorted(cells.items())
    ]


def _band(margin: float | None, bands: Sequence[Sequence[float | None]]) -> int | None:
    """Index of the band of a margin; None if there is none."""
    if margin is None:
        return None
    return next((k for k, band in enumerate(bands) if _inside(margin, band)), None)


def _inside(margin: float, band: Sequence[float | None]) -> bool:
    """Whether a margin is within a band; a null end is unbounded."""
    low, high = band
    return (low is None or margin >= low) and (high is None or margin < high)
