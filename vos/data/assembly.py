"""From sources of rows to `TextData`: read, check, cut the splits that have no source of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from vos.data.agreement import TRAIN, agree, check_classes
from vos.data.files import Row
from vos.data.labels import LabelCodec
from vos.data.problems import ProblemLog
from vos.data.records import FilePool, ListPool, PoolSource, TextData
from vos.data.settings import RowSettings, TableSettings
from vos.data.splits import split_groups
from vos.data.validation import checked_rows, parse_rows, stream_examples
from vos.errors import DataError
from vos.types import Example


@dataclass(frozen=True, slots=True)
class Source:
    """Somewhere that rows come from.

    Attributes:
        name: file, or data set and split.
        rows: opens it and yields its rows lazily, from the start on every call.
        size: number of rows where that is known without a pass.
    """

    name: str
    rows: Callable[[], Iterator[Row]]
    size: int | None = None


def assemble(
    sources: Mapping[str, Source], settings: TableSettings, declared: tuple[str, ...] | None = None
) -> TextData:
    """Read and check all sources, then cut.

    Args:
        sources: labelled ones of train and, where given, test and val, see `agree` for their order; pool, of which only
            the first row is read here; ood, texts of another kind.
        settings: columns, classes, what a good row is, and what to cut where no source is given.
        declared: class names in index order, where the data set itself names them.

    Raises:
        DataError: see `agree`, `check_classes` and `split_groups`.
        ConfigError: shares or class options that cannot work.
    """
    cut = settings.cut(set(sources))
    log = ProblemLog(settings.skips)
    labelled = {split: source for split, source in sources.items() if split not in ("pool", "ood")}
    read = {split: list(parse_rows(each.name, each.rows(), settings, log)) for split, each in labelled.items()}
    if not read[TRAIN]:
        log.raise_if_any()
        raise DataError(f"{sources[TRAIN].name}: expected usable rows, found none: all {len(log.skipped)} were skipped")
    raw = {str(row.raw_label) for row in read[TRAIN]}
    codec = LabelCodec(raw, settings.label_map, declared, settings.positive)
    splits = agree(read, codec, str(settings.label), settings.id, log)
    check_classes(splits, codec.names, {split: source.name for split, source in labelled.items()})
    unlabelled = replace(settings, label=None)
    ood = sources.get("ood")
    outside = [each.example for each in parse_rows(ood.name, ood.rows(), unlabelled, log)] if ood else []
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
    )


def open_pool(source: Source, settings: RowSettings) -> PoolSource:
    """A pool over `source`, after a look at its first row, so that a wrong column name shows now and not hours later.

    Raises:
        DataError: a column is missing, or there is no row at all.
    """
    checked_rows(source.name, source.rows(), settings)

    def read() -> Iterator[Example]:
        return stream_examples(source.name, source.rows(), settings)

    return FilePool(source.name, read, source.size)
