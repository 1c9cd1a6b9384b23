"""Texts in: sources, validation, leak-free splits, and batches."""

from vos.data.batching import LengthBucketedSampler, TokenCollator
from vos.data.datamodule import TextDataModule
from vos.data.embedded import EmbeddedData, load_embedded, load_pool_labels
from vos.data.files import read_rows
from vos.data.records import FilePool, ListPool, PoolSource, Skipped, TextData
from vos.data.sources import FileData, HubData, PoolFile, load_files, load_hub, open_pool_file
from vos.data.splits import split_groups
from vos.storage.text_ids import text_uid
from vos.types import tokenize

__all__ = [
    "EmbeddedData",
    "FileData",
    "FilePool",
    "HubData",
    "LengthBucketedSampler",
    "ListPool",
    "PoolFile",
    "PoolSource",
    "Skipped",
    "TextData",
    "TextDataModule",
    "TokenCollator",
    "load_embedded",
    "load_files",
    "load_hub",
    "load_pool_labels",
    "open_pool_file",
    "read_rows",
    "split_groups",
    "text_uid",
    "tokenize",
]
