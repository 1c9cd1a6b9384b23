"""Texts from files, and from the `datasets` library."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from vos.data.assembly import Source, assemble, open_pool
from vos.data.files import tolerant_rows
from vos.data.hub import open_tables
from vos.data.records import PoolSource, TextData
from vos.data.settings import FileFormat, FileRules, RowSettings, TableSettings, TextColumns, check_question, shared
from vos.data.shards import ShardedPool, find_shards, is_sharded
from vos.errors import ConfigError

PoolEngine = Literal["local", "ray"]
"""Ways to score the shards of a pool."""


@dataclass(frozen=True, kw_only=True)
class FileData(TableSettings, FileRules):
    """Texts from csv, tsv, jsonl, json (array of objects) or parquet files, recognised by their endings.

    Splits without a file are split off from `train` by `split_groups`. A text that occurs in several labelled files is
    kept in the first of test, val and train, and listed in `TextData.skipped`, as is every repeated row; for texts of
    one group see `on_leak`.

    Attributes:
        train: file of the labelled texts.
        val: file of validation texts; None: split off `val_share`.
        test: file of test texts; None: split off `test_share`.
        pool: file of unlabelled texts, read on every iteration; its labels, if any, are not read. None: split off
            `pool_share`.
        ood: file of out-of-distribution texts for AUROC and FPR95; labels are not read.

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

    def __post_init__(self) -> None:
        FileRules.__post_init__(self)
        check_question("data.question", self.question)

    def load(self) -> TextData:
        """Read and check all files except the pool, then split.

        Raises:
            DataError: invalid files or rows; the message names file, line and column.
            ConfigError: incompatible settings.
        """
        files = {"test": self.test, "val": self.val, "train": self.train, "pool": self.pool, "ood": self.ood}
        given = {name: path for name, path in files.items() if path is not None}
        wanted = {name: self if name in ("train", "val", "test") else replace(self, label=None) for name in given}
        return assemble({name: _file(path, self, wanted[name].named()) for name, path in given.items()}, self)


@dataclass(frozen=True, kw_only=True)
class HubData(TableSettings):
    """Texts read by the `datasets` library. `ClassLabel` features define the classes and their order.

    Attributes:
        name_or_folder: name on the hub, folder written by `save_to_disk`, or folder of data files.
        config_name: configuration of a data set on the hub, such as hate of tweet_eval.
        train_split: name of the split with the training texts.
        val_split: split with the validation texts; None: split off `val_share`.
        test_split: split with the test texts; None: split off `test_share`.
        pool_split: split with unlabelled texts, whose labels, if any, are not read; None: split off `pool_share`.
    """

    name_or_folder: str | Path
    config_name: str | None = None
    train_split: str = "train"
    val_split: str | None = None
    test_split: str | None = None
    pool_split: str | None = None

    def __post_init__(self) -> None:
        TableSettings.__post_init__(self)
        check_question("data.question", self.question)

    def load(self) -> TextData:
        """Read and check all splits except the pool, then split.

        Raises:
            DataError: no such data set, no network, no such split, or invalid rows.
            ConfigError: incompatible settings.
        """
        splits = {"test": self.test_split, "val": self.val_split, "train": self.train_split, "pool": self.pool_split}
        wanted = {ours: theirs for ours, theirs in splits.items() if theirs is not None}
        tables = open_tables(str(self.name_or_folder), self.config_name, wanted)
        sources = {k: Source(each.source, partial(each.rows, self.named()), len(each)) for k, each in tables.items()}
        declared = tables["train"].class_names(str(self.label))
        return assemble(sources, replace(self, missing=()) if declared else self, declared)


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


@dataclass(frozen=True, kw_only=True)
class PoolFile(TextColumns, FileRules):
    """Unlabelled texts from one or many files, read on every iteration.

    Attributes:
        path: csv, tsv, jsonl, json (array of objects) or parquet; a folder of such files, a pattern, or an address such
            as s3://bucket/pool/*.parquet, see `vos.data.shards`; None: no file.
        engine: where the files of a pool are scored: "local", on this machine, or "ray", on the cluster of RAY_ADDRESS.
        workers: number of scoring processes; with "ray", 1 uses all CPUs of the cluster except one.

    Example:
        >>> PoolFile(path="pool.csv", text="comment").open()
        Traceback (most recent call last):
        vos.errors.DataError: pool.csv: expected a file, found nothing there
    """

    path: str | Path | None = None
    engine: PoolEngine = "local"
    workers: int = 1

    def open(self) -> PoolSource:
        """Open the pool and check its first rows.

        Raises:
            ConfigError: no path.
            DataError: no such file, no such column, or no rows; other invalid rows are found when they are read.
        """
        if self.path is None:
            raise ConfigError("pool: expected the path of a file, found none")
        if is_sharded(str(self.path)):
            return ShardedPool(find_shards(str(self.path)), lambda path: replace(self, path=path).open())
        settings = RowSettings(**shared(RowSettings, self), label=None)
        return open_pool(_file(self.path, self, settings.named()), settings)


def open_pool_file(path: str | Path, **settings: Any) -> PoolSource:
    """`PoolFile(...).open()`; the settings are those of `PoolFile`."""
    return PoolFile(path=path, **settings).open()


def _file(path: str | Path, layout: FileFormat, columns: Sequence[str]) -> Source:
    return Source(str(path), partial(tolerant_rows, path, layout, columns))
