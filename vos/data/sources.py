"""Texts from files, and from the `datasets` library."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from vos.data.assembly import Source, assemble, open_pool
from vos.data.files import read_rows
from vos.data.hub import open_tables
from vos.data.records import PoolSource, TextData
from vos.data.settings import Columns, RowSettings, TableSettings


@dataclass(frozen=True, kw_only=True)
class FileData(TableSettings):
    """Texts from csv, tsv, jsonl, json (array of objects) or parquet files, each told by its ending.

    Splits without a file are cut from `train` by `split_groups`. A text that stands in several labelled files is kept
    in the first of test, val and train, and listed in `TextData.skipped`, as is every repeated row.

    Attributes:
        train: file of the labelled texts.
        val: file of validation texts, or None to cut `val_share`.
        test: file of test texts, or None to cut `test_share`.
        pool: file of unlabelled texts, read anew on every pass; its labels, if any, are not read. None cuts
            `pool_share`.
        ood: file of texts of another kind, for AUROC and FPR95; labels are not read.
        quoted: whether fields of csv and tsv may stand in double quotes; None: yes for csv, no for tsv.

    Example:
        >>> FileData(train="comments.csv", text="comment", label="toxic", positive="yes").load()
        Traceback (most recent call last):
        vos.errors.DataError: comments.csv: expected a file, found nothing there
    """

    train: str | Path
    val: str | Path | None = None
    test: str | Path | None = None
    pool: str | Path | None = None
    ood: str | Path | None = None
    quoted: bool | None = None

    def load(self) -> TextData:
        """Read and check all files but the pool, then cut.

        Raises:
            DataError: files or rows that cannot be used; names file, line and column.
            ConfigError: settings that cannot work together.
        """
        files = {"test": self.test, "val": self.val, "train": self.train, "pool": self.pool, "ood": self.ood}
        return assemble({name: _file(path, self.quoted) for name, path in files.items() if path is not None}, self)


@dataclass(frozen=True, kw_only=True)
class HubData(TableSettings):
    """Texts that the `datasets` library reads. Its `ClassLabel` features name the classes, in their order.

    Attributes:
        name_or_folder: name on the hub, folder that `save_to_disk` wrote, or folder of data files.
        config_name: configuration of a data set on the hub, such as hate of tweet_eval.
        train_split: name of the split with the training texts.
        val_split: validation texts, or None to cut `val_share`.
        test_split: test texts, or None to cut `test_share`.
        pool_split: unlabelled texts; their labels, if any, are not read. None cuts `pool_share`.
    """

    name_or_folder: str | Path
    config_name: str | None = None
    train_split: str = "train"
    val_split: str | None = None
    test_split: str | None = None
    pool_split: str | None = None

    def load(self) -> TextData:
        """Read and check all splits but the pool, then cut.

        Raises:
            DataError: no such data set, no network, no such split, or rows that cannot be used.
            ConfigError: settings that cannot work together.
        """
        splits = {"test": self.test_split, "val": self.val_split, "train": self.train_split, "pool": self.pool_split}
        wanted = {ours: theirs for ours, theirs in splits.items() if theirs is not None}
        tables = open_tables(str(self.name_or_folder), self.config_name, wanted)
        sources = {k: Source(each.source, partial(each.rows, self.named()), len(each)) for k, each in tables.items()}
        return assemble(sources, self, tables["train"].class_names(str(self.label)))


def load_files(
    train: str | Path,
    val: str | Path | None = None,
    test: str | Path | None = None,
    pool: str | Path | None = None,
    ood: str | Path | None = None,
    **settings: Any,
) -> TextData:
    """`FileData(...).load()`; the settings are those of `FileData`."""
    return FileData(train=train, val=val, test=test, pool=pool, ood=ood, **settings).load()


def load_hub(name_or_folder: str | Path, **settings: Any) -> TextData:
    """`HubData(...).load()`; the settings are those of `HubData`."""
    return HubData(name_or_folder=name_or_folder, **settings).load()


def open_pool_file(path: str | Path, text: str = Columns.text, id: str | None = None) -> PoolSource:
    """Unlabelled texts of one file, read anew on every pass.

    Args:
        path: see `FileData`.
        text: name of the column with the text.
        id: name of the column with unique ids; None makes ids from the texts.

    Raises:
        DataError: no such file, no such column, or no row; rows that cannot be used show on the pass that meets them.
    """
    return open_pool(_file(path, None), RowSettings(text=text, label=None, id=id))


def _file(path: str | Path, quoted: bool | None) -> Source:
    return Source(str(path), partial(read_rows, path, quoted))
