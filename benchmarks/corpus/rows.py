"""The texts of a corpus with all their attributes, and their words."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib.abc import Traversable
from importlib.resources import files

SPLITS = ("train", "val", "test", "pool")
LEVELS = (0, 1, 2, 3)


@dataclass(frozen=True)
class Row:
    """One text with everything that is known of it, the pool's hidden labels included."""

    id: str
    text: str
    label: int
    level: int
    setting: str
    register: str
    pair: str | None
    split: str


def folder(name: str) -> Traversable:
    """Where the corpus of that name lies in the package."""
    return files("vos.data") / "corpus" / name


def read_jsonl(name: str, file: str) -> list[dict]:
    """Rows of one of its files."""
    return [json.loads(line) for line in (folder(name) / file).read_text("utf-8").splitlines()]


def read_rows(name: str) -> list[Row]:
    """All texts, with the pool's labels merged in: this is a measurement, not a use of the corpus."""
    hidden = {row["id"]: row for row in read_jsonl(name, "pool_labels.jsonl")}
    return [Row(**(values | hidden.get(values["id"], {}))) for values in read_jsonl(name, "corpus.jsonl")]


def words(text: str) -> list[str]:
    """Lower-cased words."""
    return re.findall(r"[a-z0-9']+", text.lower())


def names(text: str) -> list[str]:
    """Capitalised words that do not begin a sentence: names of people, places, days."""
    found = re.findall(r"(?<![.!?:\"'] )(?<!^)(?<![\"'(])\b[A-Z][a-z]+", text)
    return [word.lower() for word in found]
