"""The corpora in the package: read with the standard library, with fixed splits."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Literal, get_args

from vos.data.agreement import TRAIN, agree, check_classes
from vos.data.files import read_rows
from vos.data.json_rows import Row
from vos.data.labels import LabelCodec
from vos.data.problems import Problem, ProblemLog
from vos.data.records import ListPool, TextData
from vos.data.settings import RowSettings, check_question
from vos.data.validation import ParsedRow, parse_rows
from vos.errors import ConfigError, DataError
from vos.storage.text_ids import text_uid
from vos.types import Example

CORPUS_FILE = "corpus.jsonl"
POOL_LABELS_FILE = "pool_labels.jsonl"
OOD_FILE = "ood.jsonl"
RULE_FILE = "rule.md"
LABEL_NAMES = ("harmless", "harmful")
SPLITS = ("test", "val", "train", "pool")

CorpusName = Literal["everyday", "ladder"]
"""`everyday`: harm in 30 % of the texts, most of them plain; `ladder`: balanced, from explicit to implied."""

OodName = Literal["packaged"]
"""`packaged`: 100 film reviews and 100 queries to an assistant, see `corpus/ood/DATASHEET.md`."""

_CODES = {"0": "harmless", "1": "harmful", "harmless": "harmless", "harmful": "harmful"}
_ROWS = RowSettings(id="id", group="setting", pair="pair", level="level")


@dataclass(frozen=True, kw_only=True)
class EmbeddedData:
    """A corpus in the package. `load` does not read the labels of its pool; `stored_answers` does.

    Attributes:
        name: name of the corpus, see `CorpusName`.
        directory: folder with another corpus of the same layout; None: the one in the package.
        ood: out-of-distribution texts for AUROC and FPR95; None: none.
        question: question to people who label a text; None: the question in the corpus's `rule.md`, with its
            guidelines, or, for a folder without that file, a question that names the classes.
    """

    name: CorpusName = "everyday"
    directory: str | Path | None = None
    ood: OodName | None = None
    question: str | None = None

    def __post_init__(self) -> None:
        check_question("data.question", self.question)
        if self.ood not in (None, *get_args(OodName)):
            raise ConfigError(f"data.ood: the embedded corpora have 'packaged' or null, got {self.ood!r}")

    def load(self) -> TextData:
        """See `load_embedded`."""
        data = load_embedded(self.name, self.directory)
        if self.question is not None and self.question != data.question:
            data = replace(data, question=self.question, guidelines="")
        return data if self.ood is None else replace(data, ood=load_packaged_ood())

    def stored_answers(self) -> dict[str, str]:
        """The class of every text of the pool, by `text_uid`; the answers of a declared oracle.

        Raises:
            DataError: a text of the pool has no stored label; or see `load_pool_labels`.
        """
        return {uid: LABEL_NAMES[label[0]] for uid, label in self._stored().items()}

    def stored_levels(self) -> dict[str, int]:
        """The stored levels of texts of the pool, by `text_uid`; raises as `stored_answers`."""
        return {uid: label[1] for uid, label in self._stored().items() if len(label) > 1}

    def _stored(self) -> dict[str, tuple[int, ...]]:
        labels = load_pool_labels(self.name, self.directory)
        pool = list(self.load().pool)
        if unknown := [example.id for example in pool if example.id not in labels]:
            raise DataError(
                f"{POOL_LABELS_FILE}: expected a label for each of the {len(pool)} texts of the pool, found none for "
                f"{len(unknown)}, the first is {unknown[0]!r}"
            )
        return {text_uid(example.text): labels[example.id] for example in pool}


def load_embedded(name: CorpusName = EmbeddedData.name, directory: str | Path | None = None) -> TextData:
    """Load the texts of a corpus in the package; the same as `EmbeddedData(...).load()`.

    Args:
        name: see `EmbeddedData`.
        directory: see `EmbeddedData`.

    Raises:
        DataError: no such corpus, or an invalid row; the message names file, line and column.
    """
    with _existing(name, directory, CORPUS_FILE) as path:
        log = ProblemLog()
        rows: dict[str, list[Row]] = {split: [] for split in SPLITS}
        for line, row in read_rows(path):
            split = row.get("split")
            if split not in rows:
                raise DataError(f"{path}:{line}: column 'split': expected one of {SPLITS}, found {split!r:.60}")
            rows[split].append((line, row))
        codec = LabelCodec((), _CODES, None, LABEL_NAMES[1])
        read: dict[str, list[ParsedRow]] = {}
        for split in SPLITS:
            settings = replace(_ROWS, label=None) if split == "pool" else _ROWS
            read[split] = list(parse_rows(f"{path}", rows[split], settings, log))
        pool = read.pop("pool")
        _check_pool(pool, itertools.chain.from_iterable(read.values()), log)
        splits = agree(read, codec, "label", "id", log, on_leak="error")
        check_classes(splits, codec.names, {split: f"{path}, split {split!r}" for split in splits})
    question, guidelines = _rule(name, directory)
    return TextData(
        splits[TRAIN],
        splits["val"],
        splits["test"],
        ListPool([row.example for row in pool]),
        codec.names,
        log.skipped,
        harmful=codec.harmful,
        question=question,
        guidelines=guidelines,
    )


def load_packaged_ood() -> list[Example]:
    """Load the packaged out-of-distribution texts; the group of each is its kind.

    Example:
        >>> from collections import Counter
        >>> Counter(example.group for example in load_packaged_ood())
        Counter({'film reviews': 100, 'queries': 100})
    """
    log = ProblemLog()
    with _existing("ood", None, OOD_FILE) as path:
        rows = list(parse_rows(f"{path}", read_rows(path), RowSettings(id="id", group="kind", label=None), log))
    return [row.example for row in rows]


def load_pool_labels(
    name: CorpusName = EmbeddedData.name, directory: str | Path | None = None
) -> dict[str, tuple[int, ...]]:
    """Load the true labels of a corpus's pool, for a declared oracle and for evaluation; nothing else reads this file.

    Args:
        name: see `EmbeddedData`.
        directory: see `EmbeddedData`.

    Returns:
        By id: (class index, level), or (class index,) if the file has no level.

    Raises:
        DataError: no file, or a row with an unknown label, an invalid level or a repeated id.
    """
    labels: dict[str, tuple[int, ...]] = {}
    with _existing(name, directory, POOL_LABELS_FILE) as path:
        for line, row in read_rows(path):
            id_, code, level = row.get("id"), _CODES.get(str(row.get("label"))), row.get("level")
            if not isinstance(id_, str) or id_ in labels:
                raise DataError(f"{path}:{line}: column 'id': expected an id of its own, found {id_!r:.60}")
            if code is None:
                raise DataError(
                    f"{path}:{line}: column 'label': expected one of {list(_CODES)}, found {row.get('label')!r:.60}"
                )
            if level is not None and (not isinstance(level, int) or level < 0):
                raise DataError(f"{path}:{line}: column 'level': expected an integer from 0 up, found {level!r:.60}")
            labels[id_] = (LABEL_NAMES.index(code), *(() if level is None else (level,)))
    return labels


def _rule(corpus: str, directory: str | Path | None) -> tuple[str, str]:
    """Question and guidelines: the first line and the rest of `rule.md`; both "" for a folder without this file."""
    if directory is not None and not (Path(directory) / RULE_FILE).is_file():
        return "", ""
    with _existing(corpus, directory, RULE_FILE) as path:
        question, _, guidelines = path.read_text(encoding="utf-8").strip().partition("\n")
    return question.lstrip("# ").strip(), guidelines.strip()


def _check_pool(pool: Sequence[ParsedRow], labelled: Iterable[ParsedRow], log: ProblemLog) -> None:
    """Log pool rows with a used id, or with a text of a labelled split, whose label would leak."""
    ids: dict[str, ParsedRow] = {}
    texts: dict[str, ParsedRow] = {}
    for row in labelled:
        ids.setdefault(row.example.id, row)
        texts.setdefault(row.uid, row)
    for row in pool:
        namesake, twin = ids.setdefault(row.example.id, row), texts.setdefault(row.uid, row)
        if namesake is not row:
            found = f"id {row.example.id!r}, which line {namesake.line} has too"
            log.add(Problem(row.source, row.line, "id", found, "an id of its own", row.example.id))
        elif twin is not row:
            found = f"the text of line {twin.line}"
            log.add(Problem(row.source, row.line, "text", found, "a text of its own", row.example.id))


@contextmanager
def _existing(corpus: str, directory: str | Path | None, file: str) -> Iterator[Path]:
    """The file with this name in the folder, or of the corpus in the package, which may be a zip file."""
    packed = resources.files("vos.data") / "corpus" / corpus / file
    with resources.as_file(packed) if directory is None else nullcontext(Path(directory) / file) as path:
        if not path.is_file():
            raise DataError(
                f"{path}: expected the corpus file {file}, found nothing there; is the installation complete?"
            )
        yield path
