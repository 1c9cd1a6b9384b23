"""Texts of no class for a training run: from a file, or written by a language model; kept beside the run."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from vos.candidates import LanguageModel, OutlierText, WritingSettings, unlike, write_outlier_texts
from vos.data import open_pool_file
from vos.errors import DataError
from vos.labeling.files import numbered_lines, write_atomically
from vos.types import Example, Featurizer

logger = logging.getLogger(__name__)


class OutlierTextSource(Protocol):
    """Where texts of no class come from.

    Attributes:
        batch_size: texts in a training step.
        quantile: see `unlike`; None keeps every text.
    """

    @property
    def batch_size(self) -> int: ...  # noqa: D102 - above

    @property
    def quantile(self) -> float | None: ...  # noqa: D102 - above

    def texts(self, train: Sequence[Example], seed: int, progress: Callable[[int], None]) -> list[OutlierText]:
        """The texts, none of them a training text."""
        ...


@dataclass(frozen=True)
class OutlierTextFile:
    """Texts of a file; labels in it are not read.

    Attributes:
        path: csv, tsv, jsonl, json or parquet.
        text: its column.
        batch_size: texts in a training step.
        quantile: see `unlike`; None keeps every text.
    """

    path: str
    text: str
    batch_size: int
    quantile: float | None = None

    def texts(self, train: Sequence[Example], seed: int, progress: Callable[[int], None]) -> list[OutlierText]:  # noqa: ARG002 - as every source
        """Different texts of the file but those that are training texts.

        Raises:
            DataError: the file cannot be read, or holds training texts alone.
        """
        known = {example.text for example in train}
        found = dict.fromkeys(example.text for example in open_pool_file(self.path, text=self.text))
        texts = [OutlierText(text) for text in found if text not in known]
        if not texts:
            raise DataError(f"outlier_texts.path={self.path}: all of its {len(found)} texts are training texts")
        progress(len(texts))
        return texts


@dataclass(frozen=True)
class WrittenOutlierTexts:
    """Texts that a language model writes after examples of mixed classes.

    Attributes:
        language_model: loads it.
        writing: see `WritingSettings`.
        batch_size: texts in a training step.
        quantile: see `unlike`; None keeps every text.
    """

    language_model: Callable[[], LanguageModel]
    writing: WritingSettings
    batch_size: int
    quantile: float | None = None

    def texts(self, train: Sequence[Example], seed: int, progress: Callable[[int], None]) -> list[OutlierText]:
        """See `write_outlier_texts`."""
        model = self.language_model()
        texts, cost = write_outlier_texts(model, train, self.writing, seed, progress)
        logger.info("outlier_texts: %d texts for %d tokens of %s", len(texts), cost.lm_tokens, model.name)
        return texts


def outlier_texts(
    source: OutlierTextSource,
    train: Sequence[Example],
    initial: Callable[[], Featurizer],
    file: Path,
    seed: int,
    progress: Callable[[int], None] = lambda _: None,
) -> list[OutlierText]:
    """The texts of a run: read from `file` where it exists, so that a resumed run has the same; else made and written.

    Args:
        source: where they come from.
        train: training texts.
        initial: gives a featurizer over the encoder before any training; called only when `source.quantile` is set.
        file: JSON lines, one `OutlierText` each.
        seed: of the run.
        progress: called with the number of texts so far.

    Raises:
        DataError: no text is there or stays.
    """
    if file.exists():
        rows = (json.loads(line) for _, line in numbered_lines(file))
        return [OutlierText(row["text"], tuple(row["parents"]), row["distance"]) for row in rows]
    texts = source.texts(train, seed, progress)
    if source.quantile is not None:
        featurizer = initial()
        features, of_train = (featurizer.featurize([each.text for each in some]).features for some in (texts, train))
        kept = unlike(texts, features, of_train, source.quantile)
        logger.info("outlier_texts: %d of %d are unlike every training text, and are used", len(kept), len(texts))
        texts = kept
    write_atomically(file, "".join(json.dumps(asdict(each)) + "\n" for each in texts))
    return texts
