"""Builds `TextData` from sources of rows: reads and checks them, and splits off sets without their own source."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from vos.data.agreement import TRAIN, agree, check_classes
from vos.data.json_rows import Row
from vos.data.labels import LabelCodec, any_of, folded
from vos.data.leaks import outside_only
from vos.data.problems import ProblemLog
from vos.data.records import FilePool, ListPool, PoolSource, TextData
from vos.data.settings import LONGEST_QUESTION, RowSettings, TableSettings
from vos.data.splits import split_groups
from vos.data.validation import checked_rows, parse_rows, stream_examples
from vos.errors import ConfigError, DataError
from vos.harmful import SHOWN, Positive, are_answers
from vos.types import Example

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """A source of rows.

    Attributes:
        name: file, or data set and split.
        rows: opens the source and yields its rows lazily, from the start on every call.
        size: number of rows if it is known without reading them.
    """

    name: str
    rows: Callable[[], Iterator[Row]]
    size: int | None = None


def assemble(
    sources: Mapping[str, Source], settings: TableSettings, declared: tuple[str, ...] | None = None
) -> TextData:
    """Read and check all sources, then split.

    Args:
        sources: the labelled sources train and, if given, test and val (for their order see `agree`); pool, of which
            only the first row is read here; ood, out-of-distribution texts.
        settings: columns, classes, rules for rows, and the shares to split off if there is no source.
        declared: class names in index order, if the data set declares them.

    Raises:
        DataError: see `agree`, `check_classes` and `split_groups`.
        ConfigError: invalid shares or class options.
    """
    cut = settings.cut(set(sources))
    log = ProblemLog(settings.skips)
    labelled = {split: source for split, source in sources.items() if split not in ("pool", "ood")}
    harmful = settings.harmful()
    read = {split: list(parse_rows(each.name, each.rows(), settings, log, harmful)) for split, each in labelled.items()}
    if not read[TRAIN]:
        log.raise_if_any()
        raise DataError(f"{sources[TRAIN].name}: expected usable rows, found none: all {len(log.skipped)} were skipped")
    raw = [str(row.raw_label) for row in read[TRAIN]]
    positive = _positive(raw, settings, {label for rows in read.values() for row in rows for label in row.listed})
    codec = LabelCodec(raw, settings.label_map, declared, positive)
    _say_spellings(codec, [str(row.raw_label) for rows in read.values() for row in rows])
    splits = agree(read, codec, str(settings.label), settings.id, log, settings.on_leak)
    check_classes(splits, codec.names, {split: source.name for split, source in labelled.items()})
    unlabelled = replace(settings, label=None)
    ood = sources.get("ood")
    inside = [example for examples in splits.values() for example in examples]
    outside = outside_only(parse_rows(ood.name, ood.rows(), unlabelled, log), inside, log) if ood else []
    log.raise_if_any()
    if cut:
        shares = {TRAIN: 1.0 - sum(cut.values()), **cut}
        splits |= split_groups(splits[TRAIN], shares, settings.seed, codec.names)
    pool_cut = [replace(example, label=None) for example in splits.pop("pool", [])]
    return TextData(
        train=splits[TRAIN],
        val=splits["val"],
        test=splits.get("test", []),
        pool=open_pool(sources["pool"], unlabelled) if "pool" in sources else ListPool(pool_cut),
        label_names=codec.names,
        skipped=log.skipped,
        ood=outside,
        harmful=codec.harmful,
        question=settings.question or _question(codec.names, str(settings.label)),
    )


def _question(names: Sequence[str], column: str) -> str:
    """What people are asked where the classes are mere answers, such as no and yes, to what the column names.

    Returns: "" where the names of the classes speak for themselves.
    """
    if not are_answers(names) or not column.isprintable() or len(column) > LONGEST_QUESTION // 5:
        return ""
    return f"Which answer fits this text best for “{column}”?"


def _positive(raw: Sequence[str], settings: TableSettings, listed: Collection[str]) -> Positive:
    """The harmful classes; if lists of labels were reduced to one label, the harmful one of these.

    Args:
        raw: labels of the training rows.
        settings: settings that name the harmful classes.
        listed: every label that occurs in a list.

    Raises:
        ConfigError: a harmful class occurs in no row.
    """
    harmful = settings.harmful()
    if not harmful or not set(raw) <= {any_of(harmful[:1], harmful), any_of((), harmful)}:
        return settings.positive
    known = {folded(label) for label in listed}
    if unknown := [label for label in harmful if listed and folded(label) not in known]:
        shown = f"{sorted(listed)[:SHOWN]}" + (f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else "")
        raise ConfigError(f"positive: expected classes of {shown}, which the lists hold, found {unknown}")
    return any_of(harmful[:1], harmful)


def _say_spellings(codec: LabelCodec, raw: Sequence[str]) -> None:
    for name, spellings in codec.spellings(raw).items():
        logger.warning("labels: %s are spellings of one class, %r", ", ".join(map(repr, spellings)), name)


def open_pool(source: Source, settings: RowSettings) -> PoolSource:
    """Open a pool over `source` and check its first row, so that a wrong column name is found now and not hours later.

    Raises:
        DataError: a column is missing, or there are no rows.
    """
    checked_rows(source.name, source.rows(), settings)

    def read() -> Iterator[Example]:
        return stream_examples(source.name, source.rows(), settings)

    return FilePool(source.name, read, source.size)
