"""Converts the rows of all splits to examples, and checks that ids, texts and labels are consistent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from vos.data.labels import LabelCodec
from vos.data.leaks import without_leaks
from vos.data.problems import Problem, ProblemLog
from vos.data.records import Skipped
from vos.data.validation import ParsedRow
from vos.errors import DataError
from vos.types import Example

TRAIN = "train"


def agree(
    parsed: Mapping[str, Sequence[ParsedRow]],
    codec: LabelCodec,
    label_column: str,
    id_column: str | None,
    log: ProblemLog,
    on_leak: str,
) -> dict[str, list[Example]]:
    """Return the examples of each split, with class indices and without repeated rows.

    A text that occurs in several splits is kept in the first of them: pass the test split first.

    Args:
        parsed: valid rows, by split name.
        codec: maps labels to class indices.
        label_column: for messages.
        id_column: for messages; None if ids are hashes of the texts.
        log: receives invalid rows; repeated rows are added to its `skipped`.
        on_leak: see `without_leaks`.

    Raises:
        DataError: there are invalid rows and they are not skipped; or see `without_leaks`.
    """
    known = {split: list(_with_known_label(rows, codec, label_column, log)) for split, rows in parsed.items()}
    everything = [row for rows in known.values() for row in rows]
    disputed = _disputed(everything, codec, label_column, log)
    log.raise_if_any()
    known = without_leaks(known, on_leak, log)
    texts: dict[str, ParsedRow] = {}
    ids: dict[str, ParsedRow] = {}
    examples = {
        split: [
            replace(row.example, label=codec.index(str(row.raw_label)))
            for row in rows
            if row.uid not in disputed and _is_new(row, texts, ids, id_column, log)
        ]
        for split, rows in known.items()
    }
    log.raise_if_any()
    return examples


def check_classes(examples: Mapping[str, Sequence[Example]], names: Sequence[str], sources: Mapping[str, str]) -> None:
    """Check that every class has a training text, and every labelled split at least two classes.

    Args:
        examples: by split name.
        names: class names in index order.
        sources: where each split comes from, for messages.

    Raises:
        DataError: one class only, or a class without training texts.
    """
    for split, rows in examples.items():
        present = {row.label for row in rows}
        shown = [name for i, name in enumerate(names) if i in present]
        absent = [name for i, name in enumerate(names) if i not in present]
        if len(shown) < 2:
            found = f"one class only: {shown[0]!r}" if shown else "no usable row"
            raise DataError(f"{sources[split]}: expected texts of at least two classes, found {found}")
        if split == TRAIN and absent:
            raise DataError(
                f"{sources[split]}: expected texts of every class, found none of {absent}; "
                "add some, or name only the classes in use with label_map"
            )


def _with_known_label(
    rows: Iterable[ParsedRow], codec: LabelCodec, column: str, log: ProblemLog
) -> Iterable[ParsedRow]:
    for row in rows:
        if codec.index(str(row.raw_label)) is not None:
            yield row
            continue
        found = f"the unknown label {str(row.raw_label)[:60]!r}"
        known = ", ".join(map(repr, codec.known[:20])) + (", ..." if len(codec.known) > 20 else "")
        log.add(Problem(row.source, row.line, column, found, f"one of {known}", row.example.id))


def _disputed(rows: Sequence[ParsedRow], codec: LabelCodec, column: str, log: ProblemLog) -> set[str]:
    """Uids of texts with contradictory labels. All their rows are invalid, because no label is known to be right."""
    first: dict[str, ParsedRow] = {}
    rival: dict[str, ParsedRow] = {}

    def differs_from_first(row: ParsedRow) -> bool:
        return codec.index(str(row.raw_label)) != codec.index(str(first[row.uid].raw_label))

    for row in rows:
        first.setdefault(row.uid, row)
        if differs_from_first(row):
            rival.setdefault(row.uid, row)
    for row in rows:
        if row.uid in rival:
            other = first[row.uid] if differs_from_first(row) else rival[row.uid]
            found = f"label {row.raw_label!r} for a text that has label {other.raw_label!r} at {other.where}"
            log.add(Problem(row.source, row.line, column, found, "one label a text", row.example.id))
    return set(rival)


def _is_new(
    row: ParsedRow, texts: dict[str, ParsedRow], ids: dict[str, ParsedRow], id_column: str | None, log: ProblemLog
) -> bool:
    """Whether this is the first row with its text and with its id; otherwise the reason is added to the log.

    Adds the row to `texts` and `ids`, the rows so far by uid and by id.
    """
    twin = texts.setdefault(row.uid, row)
    if twin is not row:
        log.skipped.append(Skipped(row.source, row.line, f"same text and label as {twin.where}", row.example.id))
        return False
    namesake = ids.setdefault(row.example.id, row)
    if namesake is not row:
        found = f"id {row.example.id!r}, which another text has at {namesake.where}"
        expected = "an id of its own for each text in all files; without an id column, ids are made from the texts"
        log.add(Problem(row.source, row.line, str(id_column), found, expected, row.example.id))
    return namesake is row
