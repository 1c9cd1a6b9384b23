"""Auxiliary outlier texts for a training run: from a file, or written by a language model; stored with the run."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Protocol

from vos.data import PoolFile, TextData
from vos.data.settings import FileRules, shared
from vos.errors import ConfigError, DataError
from vos.exposure.filter import far_from_training
from vos.exposure.write import OutlierText, WritingSettings, write_outlier_texts
from vos.generation.writer import LanguageModelWriter
from vos.storage.atomic import numbered_lines
from vos.storage.json_files import write_json_lines
from vos.storage.text_ids import leak_key
from vos.types import Example, Featurizer

logger = logging.getLogger(__name__)

PACKAGED = "packaged"
"""Path of the auxiliary outlier texts in this package."""


class OutlierTextSource(Protocol):
    """A source of auxiliary outlier texts.

    Attributes:
        batch_size: texts per training step.
        quantile: see `far_from_training`; None keeps every text.
    """

    @property
    def batch_size(self) -> int: ...  # noqa: D102 - above

    @property
    def quantile(self) -> float | None: ...  # noqa: D102 - above

    def texts(
        self, train: Sequence[Example], known: Sequence[str], seed: int, progress: Callable[[int], None]
    ) -> list[OutlierText]:
        """The texts, without training texts and without those in `known`."""


@contextmanager
def _existing(path: str) -> Iterator[str]:
    """The file, or the one in this package, which may be a zip file."""
    packed = resources.files("vos.data") / "corpus" / "ood" / "outlier_texts.jsonl"
    with resources.as_file(packed) if path == PACKAGED else nullcontext(path) as found:
        yield str(found)


@dataclass(frozen=True, kw_only=True)
class OutlierTextFile(FileRules):
    """Texts from a file; labels in it are not read.

    Attributes:
        path: csv, tsv, jsonl, json or parquet; "packaged": the texts in this package, which a language model wrote
            from examples of the everyday corpus, mostly about other subjects.
        text: column of the text.
        batch_size: texts per training step.
        quantile: see `far_from_training`; None keeps every text.
    """

    path: str
    text: str = "text"
    batch_size: int = 32
    quantile: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self)

    def texts(
        self,
        train: Sequence[Example],
        known: Sequence[str],
        seed: int,  # noqa: ARG002 - as every source
        progress: Callable[[int], None],
    ) -> list[OutlierText]:
        """The distinct texts of the file without those that the run trains or measures on, which the log counts.

        Raises:
            DataError: the file cannot be read, or has no other texts.
        """
        own = {leak_key(text) for text in (*(example.text for example in train), *known)}
        with _existing(self.path) as path:
            pool = PoolFile(**shared(PoolFile, self) | {"path": path}).open()
            found = {leak_key(each.text): each.text for each in pool}
        texts = [OutlierText(text) for uid, text in found.items() if uid not in own]
        if not texts:
            raise DataError(f"exposure.path={self.path}: all of its {len(found)} texts are the run's own")
        if len(texts) < len(found):
            logger.warning(
                "exposure.path=%s: %d of %d texts are the run's own (train, val, test or ood) and are left out",
                self.path,
                len(found) - len(texts),
                len(found),
            )
        progress(len(texts))
        return texts


@dataclass(frozen=True)
class WrittenOutlierTexts:
    """Texts that a language model writes from examples of mixed classes.

    Attributes:
        language_model: loads the language model.
        writing: see `WritingSettings`.
        batch_size: texts per training step.
        quantile: see `far_from_training`; None keeps every text.
    """

    language_model: Callable[[], LanguageModelWriter]
    writing: WritingSettings = field(default_factory=WritingSettings)
    batch_size: int = 32
    quantile: float | None = 0.8

    def __post_init__(self) -> None:
        _check(self)

    def texts(
        self, train: Sequence[Example], known: Sequence[str], seed: int, progress: Callable[[int], None]
    ) -> list[OutlierText]:
        """See `write_outlier_texts`."""
        model = self.language_model()
        texts, cost = write_outlier_texts(model, train, self.writing, seed, known, progress)
        logger.info("exposure: %d texts for %d tokens of %s", len(texts), cost.lm_tokens, model.name)
        return texts


def _check(source: OutlierTextSource) -> None:
    """Check the settings before anything is written; raises ConfigError."""
    if source.batch_size < 1:
        raise ConfigError(f"exposure.batch_size: expected at least 1, got {source.batch_size}")
    if source.quantile is not None and not 0.0 <= source.quantile <= 1.0:
        raise ConfigError(f"exposure.quantile: expected a number in [0, 1], got {source.quantile}")


def gather_outlier_texts(
    source: OutlierTextSource,
    data: TextData,
    untrained: Callable[[], Featurizer],
    file: Path,
    seed: int,
    progress: Callable[[int], None] = lambda _: None,
) -> list[OutlierText]:
    """Return the texts of a run: read from `file` if it exists, so that a resumed run has the same; otherwise created.

    Args:
        source: source of the texts.
        data: data of the run; its labelled texts and its OOD texts are excluded.
        untrained: returns a featurizer of the encoder before training; called only if `source.quantile` is set.
        file: JSON lines, one `OutlierText` each.
        seed: seed of the run.
        progress: called with the number of texts so far.

    Raises:
        DataError: there are no texts, or none is kept.
    """
    if file.exists():
        rows = (json.loads(line) for _, line in numbered_lines(file))
        return [OutlierText(row["text"], tuple(row["parents"]), row["distance"]) for row in rows]
    measured = [example.text for examples in (data.val, data.test, data.ood) for example in examples]
    texts = source.texts(data.train, measured, seed, progress)
    if source.quantile is not None:
        featurizer, train = untrained(), [example.text for example in data.train]
        features, of_train = (featurizer.featurize(some).features for some in ([each.text for each in texts], train))
        kept = far_from_training(texts, features, of_train, source.quantile)
        logger.info("exposure: %d of %d are unlike every training text, and are used", len(kept), len(texts))
        texts = kept
    write_json_lines(file, map(asdict, texts))
    return texts
