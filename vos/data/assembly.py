"""From sources of rows to `TextData`: read, check, cut the splits that have no source of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from vos.data.agreement import TRAIN, agree, check_classes
from vos.data.files import Row
from vos.data.labels import LabelCodec
from vos.data.problems import ProblemLog
from vos.data.records import FilePool, ListPool, PoolSource, TextData
from vos.data.splits import split_groups
from vos.data.validation import Columns, RowRules, check_columns, read_candidates, stream_examples
from vos.errors import ConfigError, DataError
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


@dataclass(frozen=True, slots=True)
class Labels:
    """What the classes are; see `LabelCodec`."""

    label_map: Mapping[str, str | int] | None = None
    positive: str | None = None
    fixed: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Shares:
    """Shares of the training source for splits without a source, and the seed of the cut."""

    val: float
    test: float
    pool: float
    seed: int

    def cut(self, given: set[str]) -> dict[str, float]:
        """Shares by split, train included, of the splits to cut.

        Args:
            given: splits that have a source.

        Raises:
            ConfigError: shares out of range, or no validation texts.
        """
        asked = {"val": self.val, "test": self.test, "pool": self.pool}
        shares = {split: share for split, share in asked.items() if split not in given}
        if any(share < 0 for share in shares.values()) or sum(shares.values()) >= 1:
            raise ConfigError(
                f"val_share, test_share, pool_share: expected 0 or more each and a sum below 1, found {shares}"
            )
        if shares.get("val") == 0:
            raise ConfigError("val_share: expected more than 0, or validation texts of their own; found neither")
        shares = {split: share for split, share in shares.items() if share > 0}
        return {TRAIN: 1.0 - sum(shares.values()), **shares}


def assemble(
    labelled: Mapping[str, Source],
    pool: Source | None,
    ood: Source | None,
    columns: Columns,
    rules: RowRules,
    labels: Labels,
    shares: Shares,
) -> TextData:
    """Read and check all sources, then cut.

    Args:
        labelled: sources of train and, where given, test and val; see `agree` for their order.
        pool: unlabelled texts; only its first row is read here.
        ood: texts of another kind, labels not read.
        columns: names of the columns.
        rules: what a good row is.
        labels: what the classes are.
        shares: what to cut where no source is given.

    Raises:
        DataError: see `agree`, `check_classes` and `split_groups`.
        ConfigError: shares or class options that cannot work.
    """
    given = {*labelled, *(["pool"] if pool is not None else [])}
    cut = shares.cut(given)
    log = ProblemLog(rules.skips)
    read = {
        split: list(read_candidates(source.name, source.rows(), columns, rules, log))
        for split, source in labelled.items()
    }
    if not read[TRAIN]:
        log.raise_if_any()
        raise DataError(
            f"{labelled[TRAIN].name}: expected usable rows, found none: all {len(log.skipped)} were skipped"
        )
    codec = LabelCodec({str(row.raw_label) for row in read[TRAIN]}, labels.label_map, labels.fixed, labels.positive)
    splits = agree(read, codec, str(columns.label), columns.id, log)
    check_classes(splits, codec.names, {split: source.name for split, source in labelled.items()})
    unlabelled = replace(columns, label=None)
    outside = [] if ood is None else _read_ood(ood, unlabelled, rules, log)
    if len(cut) > 1:
        splits |= split_groups(splits[TRAIN], cut, shares.seed, codec.names)
    pool_cut = [replace(example, label=None) for example in splits.pop("pool", [])]
    return TextData(
        train=splits[TRAIN],
        val=splits["val"],
        test=splits.get("test", []),
        pool=ListPool(pool_cut) if pool is None else open_pool(pool, unlabelled, rules),
        label_names=codec.names,
        skipped=log.skipped,
        ood=outside,
    )


def open_pool(source: Source, columns: Columns, rules: RowRules) -> PoolSource:
    """A pool over `source`, after a look at its first row, so that a wrong column name shows now and not hours later.

    Raises:
        DataError: a column is missing, or there is no row at all.
    """
    line_and_row = next(source.rows(), None)
    if line_and_row is None:
        raise DataError(f"{source.name}: expected at least one row of data, found none: the file is empty")
    check_columns(source.name, line_and_row[1], columns)

    def read() -> Iterator[Example]:
        return stream_examples(source.name, source.rows(), columns, rules)

    return FilePool(source.name, read, source.size)


def _read_ood(source: Source, columns: Columns, rules: RowRules, log: ProblemLog) -> list[Example]:
    examples = [each.example for each in read_candidates(source.name, source.rows(), columns, rules, log)]
    log.raise_if_any()
    return examples
