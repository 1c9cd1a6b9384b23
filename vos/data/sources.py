"""Texts from the embedded corpus, from files, and from the `datasets` library."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from vos.data.assembly import Labels, Shares, Source, assemble, open_pool
from vos.data.embedded import load_embedded, load_pool_labels
from vos.data.files import read_rows
from vos.data.hub import open_tables
from vos.data.records import PoolSource, TextData
from vos.data.validation import Columns, RowRules

__all__ = ["load_embedded", "load_files", "load_hub", "load_pool_labels", "open_pool_file"]


def load_files(
    train: str | Path,
    val: str | Path | None = None,
    test: str | Path | None = None,
    pool: str | Path | None = None,
    *,
    ood: str | Path | None = None,
    text: str = "text",
    label: str = "label",
    id: str | None = None,
    group: str | None = None,
    pair: str | None = None,
    level: str | None = None,
    label_map: Mapping[str, str | int] | None = None,
    positive: str | None = None,
    val_share: float = 0.15,
    test_share: float = 0.15,
    pool_share: float = 0.0,
    seed: int = 0,
    on_bad_row: str = "raise",
    max_chars: int = 100_000,
    quoted: bool | None = None,
    unescape: bool = False,
    limit: int | None = None,
) -> TextData:
    """Texts from csv, tsv, jsonl, json (array of objects) or parquet files, each told by its ending.

    Splits without a file are cut from `train` by `split_groups`. A text that stands in several labelled files is kept
    in the first of test, val and train, and listed in `skipped`, as is every repeated row.

    Args:
        train: labelled texts.
        val: labelled texts, or None to cut `val_share`.
        test: labelled texts, or None to cut `test_share`.
        pool: unlabelled texts, read anew on every pass; its labels, if any, are not read. None: cut `pool_share`.
        ood: texts of another kind; labels are not read.
        text: name of the column with the text; the next five likewise.
        label: column with the class.
        id: column with unique ids; None makes ids from the texts (`text_uid`).
        group: column of what must not be cut by a split, such as author or thread.
        pair: column that the two texts of a minimal pair share.
        level: column with the subtlety level, an integer from 0 up.
        label_map: raw value (as a string) to class name; None takes raw values of the training file as class names.
        positive: for two classes, the harmful one, which gets index 1; None: the later one as numbers or names sort.
        val_share: share of `train` for validation; not used when `val` is given. The others likewise.
        test_share: 0 leaves the test split empty.
        pool_share: 0 leaves the pool empty.
        seed: of the cut.
        on_bad_row: "raise": one error for all bad rows; "skip": left out and listed in `skipped`. Bad rows of the pool
            show on the pass that meets them.
        max_chars: a longer text is a bad row.
        quoted: whether fields of csv and tsv may stand in double quotes; None: yes for csv, no for tsv.
        unescape: decode HTML entities and `_x000D_` marks.
        limit: read at most so many rows of each file.

    Raises:
        DataError: files or rows that cannot be used; names file, line and column.
        ConfigError: options that cannot work together.
    """
    columns = Columns(text, label, id, group, pair, level)
    rules = RowRules(on_bad_row, max_chars, unescape, limit)

    def source(path: str | Path | None) -> Source | None:
        return None if path is None else Source(str(path), partial(read_rows, path, quoted))

    labelled = {"test": source(test), "val": source(val), "train": source(train)}
    return assemble(
        {split: each for split, each in labelled.items() if each is not None},
        source(pool),
        source(ood),
        columns,
        rules,
        Labels(label_map, positive),
        Shares(val_share, test_share, pool_share, seed),
    )


def open_pool_file(
    path: str | Path,
    *,
    text: str = "text",
    id: str | None = None,
    max_chars: int = 100_000,
    quoted: bool | None = None,
    unescape: bool = False,
) -> PoolSource:
    """Unlabelled texts of one file, read anew on every pass; arguments as for `load_files`.

    Raises:
        DataError: no such file, no such column, or no row; rows that cannot be used show on the pass that meets them.
    """
    columns = Columns(text, None, id)
    rules = RowRules("raise", max_chars, unescape, None)
    return open_pool(Source(str(path), partial(read_rows, path, quoted)), columns, rules)


def load_hub(
    name_or_folder: str | Path,
    *,
    config_name: str | None = None,
    train_split: str = "train",
    val_split: str | None = None,
    test_split: str | None = None,
    pool_split: str | None = None,
    text: str = "text",
    label: str = "label",
    id: str | None = None,
    group: str | None = None,
    pair: str | None = None,
    level: str | None = None,
    label_map: Mapping[str, str | int] | None = None,
    positive: str | None = None,
    val_share: float = 0.15,
    test_share: float = 0.15,
    pool_share: float = 0.0,
    seed: int = 0,
    on_bad_row: str = "raise",
    max_chars: int = 100_000,
    unescape: bool = False,
    limit: int | None = None,
) -> TextData:
    """Texts that the `datasets` library reads. Its `ClassLabel` features name the classes, in their order.

    Args:
        name_or_folder: name on the hub, folder that `save_to_disk` wrote, or folder of data files.
        config_name: configuration of a data set on the hub.
        train_split: name of the split with the training texts.
        val_split: validation, or None to cut `val_share`. The other splits likewise.
        test_split: test.
        pool_split: unlabelled texts; its labels, if any, are not read.
        text: see `load_files`, as for all options below.
        label: column with the class.
        id: column with unique ids.
        group: column of what must not be cut.
        pair: column of minimal pairs.
        level: column with the subtlety level.
        label_map: from raw value, or `ClassLabel` name, to class name.
        positive: the harmful one of two classes.
        val_share: share of the training split.
        test_share: share of the training split.
        pool_share: share of the training split.
        seed: of the cut.
        on_bad_row: "raise" or "skip".
        max_chars: a longer text is a bad row.
        unescape: decode HTML entities and `_x000D_` marks.
        limit: read at most so many rows of each split.

    Raises:
        DataError: no such data set, no network, no such split, or rows that cannot be used.
        ConfigError: options that cannot work together.
    """
    columns = Columns(text, label, id, group, pair, level)
    rules = RowRules(on_bad_row, max_chars, unescape, limit)
    wanted = {"test": test_split, "val": val_split, "train": train_split, "pool": pool_split}
    tables = open_tables(
        str(name_or_folder), config_name, {k: split for k, split in wanted.items() if split is not None}
    )
    sources = {k: Source(each.source, partial(each.rows, columns.named()), len(each)) for k, each in tables.items()}
    pool = sources.pop("pool", None)
    return assemble(
        sources,
        pool,
        None,
        columns,
        rules,
        Labels(label_map, positive, tables["train"].class_names(label)),
        Shares(val_share, test_share, pool_share, seed),
    )
