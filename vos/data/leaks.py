"""Finds leaks: texts that occur both in training and in evaluation splits from separate sources."""

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
    """Remove from each split the rows that leak into an earlier split: pass the test split first.

    A text that equals one in an earlier split up to case and spaces is left out and listed. (Identical texts are
    handled by the search for repeated rows, which also compares labels.)

    Args:
        rows: rows by split.
        on_leak: for texts of a group or pair that also is in an earlier split: "error", "drop" (listed), or "allow".
        log: its `skipped` receives the rows that are left out.

    Raises:
        DataError: a group or pair occurs in several splits, and `on_leak` is "error".
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
    """Texts, groups and pairs of validation and test texts, which must not be trained on.

    Args:
        examples: the held-out examples.
    """

    def __init__(self, examples: Iterable[Example]) -> None:
        examples = list(examples)
        self._texts = {leak_key(example.text) for example in examples}
        self._shared = {key for example in examples for key in _keys(example)}

    def has_text(self, text: str) -> bool:
        """Whether the text is held out, up to case and spaces."""
        return leak_key(text) in self._texts

    def shares(self, example: Example) -> bool:
        """Whether a held-out example has the same group or pair."""
        return any(key in self._shared for key in _keys(example))


def outside_only(rows: Iterable[ParsedRow], labelled: Iterable[Example], log: ProblemLog) -> list[Example]:
    """Out-of-distribution texts without repetitions and without labelled texts; rows left out are listed."""
    known = {leak_key(example.text): "a labelled text" for example in labelled}
    kept = []
    for row in rows:
        twin = known.setdefault(leak_key(row.example.text), row.where)
        if twin == row.where:
            kept.append(row.example)
        else:
            log.skipped.append(Skipped(row.source, row.line, f"the same text as {twin}", row.example.id))
    return kept
