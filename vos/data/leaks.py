"""Texts that would be learned from and measured on: they are looked for across splits that are given apart."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from vos.data.problems import ProblemLog
from vos.data.records import Skipped
from vos.data.validation import ParsedRow
from vos.errors import DataError
from vos.storage.text_ids import leak_key
from vos.types import Example

logger = logging.getLogger(__name__)


def without_leaks(rows: Mapping[str, Sequence[ParsedRow]], on_leak: str, log: ProblemLog) -> dict[str, list[ParsedRow]]:
    """The rows of each split, less those that leak into one before it: give those that must stay whole (test) first.

    A text that an earlier split has too, but for capitals and spaces, is left out and listed. (The very same text is
    left to the search for repeated rows, which also compares the labels.)

    Args:
        rows: by split.
        on_leak: for texts of a group or pair that an earlier split has too: "error", "drop" (listed), or "allow".
        log: its `skipped` receives what is left out.

    Raises:
        DataError: groups or pairs stand in several splits, and `on_leak` is "error".
    """
    texts: dict[str, ParsedRow] = {}
    shared: dict[tuple[str, str], ParsedRow] = {}
    kept: dict[str, list[ParsedRow]] = {}
    found: list[str] = []
    for split, own in rows.items():
        leaking = {i: _twin(row, shared) for i, row in enumerate(own)}
        pairs = [(own[i], twin) for i, twin in leaking.items() if twin is not None]
        if pairs:
            row, twin = pairs[0]
            found.append(f"{len(pairs)} of the {len(own)} {split} texts, the first at {row.where} with {twin.where}")
        kept[split] = []
        for i, row in enumerate(own):
            same, relative = texts.get(leak_key(row.example.text)), leaking[i]
            if same is not None and same.uid != row.uid:
                reason = f"the same text but for capitals and spaces as {same.where}, of another split"
                log.skipped.append(Skipped(row.source, row.line, reason, row.example.id))
            elif relative is not None and on_leak == "drop":
                reason = f"of one group or pair with {relative.where}, of another split"
                log.skipped.append(Skipped(row.source, row.line, reason, row.example.id))
            else:
                kept[split].append(row)
        for row in own:
            texts.setdefault(leak_key(row.example.text), row)
            shared.update({key: row for key in _keys(row.example) if key not in shared})
    if found:
        _say("; ".join(found), on_leak)
    return kept


def _say(found: str, on_leak: str) -> None:
    where = f"groups or pairs stand in several splits: {found}"
    if on_leak == "error":
        raise DataError(
            f"{where}; what is measured on them is learned by heart. Leave those texts out with on_leak=drop, or keep "
            "them with on_leak=allow"
        )
    logger.warning("%s; on_leak=%s: they are %s", where, on_leak, "left out" if on_leak == "drop" else "kept")


def _keys(example: Example) -> Iterable[tuple[str, str]]:
    return [(kind, value) for kind, value in (("group", example.group), ("pair", example.pair)) if value is not None]


def _twin(row: ParsedRow, shared: Mapping[tuple[str, str], ParsedRow]) -> ParsedRow | None:
    return next((shared[key] for key in _keys(row.example) if key in shared), None)


class HeldOut:
    """What must not be trained on: the texts, groups and pairs of validation and test texts.

    Args:
        examples: held out.
    """

    def __init__(self, examples: Iterable[Example]) -> None:
        examples = list(examples)
        self._texts = {leak_key(example.text) for example in examples}
        self._shared = {key for example in examples for key in _keys(example)}

    def has_text(self, text: str) -> bool:
        """Whether it is one of them, but for capitals and spaces."""
        return leak_key(text) in self._texts

    def shares(self, example: Example) -> bool:
        """Whether one of them is of its group or pair."""
        return any(key in self._shared for key in _keys(example))


def outside_only(rows: Iterable[ParsedRow], labelled: Iterable[Example], log: ProblemLog) -> list[Example]:
    """Texts of another kind, each once, less those that are labelled texts too; what is left out is listed."""
    known = {leak_key(example.text): "a labelled text" for example in labelled}
    kept = []
    for row in rows:
        twin = known.setdefault(leak_key(row.example.text), row.where)
        if twin == row.where:
            kept.append(row.example)
        else:
            log.skipped.append(Skipped(row.source, row.line, f"the same text as {twin}", row.example.id))
    return kept
