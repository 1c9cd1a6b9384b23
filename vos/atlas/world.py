"""The inputs of all producers of an atlas: a classifier, its texts and its density."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from vos.atlas.artefacts import read_arrays, read_artefact
from vos.atlas.settings import AtlasSettings
from vos.atlas.token_rows import TokenRows
from vos.density.base import GaussianDensity
from vos.interpret.describe import JudgingDescriber
from vos.interpret.margins import MarginReader
from vos.models import ClassifierFeaturizer, TextClassifier
from vos.outliers.feasible import draw_where_feasible
from vos.storage.seeds import derive_seed
from vos.types import Example, LinearHead, OutlierSampler, VirtualOutliers

if TYPE_CHECKING:
    from vos.atlas.texts import AtlasTexts

T = TypeVar("T")

Progress = Callable[[int, int], None]
"""Called with the amount of a producer's work that is done, and the total."""


def no_progress(done: int, total: int) -> None:
    """Ignore progress."""


@dataclass(frozen=True)
class TrainTexts:
    """Training texts: neighbours of the texts of an atlas, and never texts of it.

    Attributes:
        examples: labelled with the classifier's classes.
        features: (t, d) float64.
        labels: (t,) int64.
    """

    examples: tuple[Example, ...]
    features: NDArray[np.float64]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class AtlasWorld:
    """The inputs of producers. In all arrays, rows are texts in the order of the artefact `texts`.

    Attributes:
        featurizer: over the classifier, in evaluation.
        texts: see `AtlasTexts`.
        features: (n, d) float64, penultimate features of the texts.
        train: see `TrainTexts`.
        density: fitted on the training texts and calibrated on the validation texts.
        sampler: draws the virtual outliers.
        band: half-width of the band of texts near the boundary, in margin.
        settings: see `AtlasSettings`.
        seed: seed of all randomness; see `rng`.
        run: facts of the run for the page: name, hashes, seed; and `encoder`, the name of the one that it began from.
        folder: folder of the artefacts, which later producers may read; None: nothing is stored.
        progress: called with the progress of the current producer.
        is_control: whether this is the control with an encoder with random weights.
        language_models: folder of converted language models, one of which writes the dreams.
        describer: writes sentences on differences, and judges them; None if there is none.
    """

    featurizer: ClassifierFeaturizer
    texts: AtlasTexts
    features: NDArray[np.float64]
    train: TrainTexts
    density: GaussianDensity
    sampler: OutlierSampler
    band: float
    settings: AtlasSettings = field(default_factory=AtlasSettings)
    seed: int = 0
    run: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    progress: Progress = no_progress
    is_control: bool = False
    describer: JudgingDescriber | None = None
    language_models: Path = Path(".cache/models")
    _computed: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def classifier(self) -> TextClassifier:
        """The classifier, in evaluation."""
        return self.featurizer.classifier

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the C classes; labels and predictions are indices into them."""
        return self.classifier.label_names

    @property
    def harmful(self) -> tuple[int, ...]:
        """Indices of the harmful classes; () where no class is, and margins then have no side."""
        return self.classifier.harmful

    @property
    def labels(self) -> tuple[int | None, ...]:
        """Labels of the texts, None where nobody has judged them; see `AtlasTexts.labelled` for a mask."""
        return self.texts.label

    @property
    def head(self) -> LinearHead:
        """The classifier's last layer, float32 on the CPU."""
        return self._once("head", lambda: self.featurizer.head)

    @property
    def margins(self) -> MarginReader:
        """Margins of any texts."""
        return self._once("margins", lambda: MarginReader(self.classifier, device=self.featurizer.device))

    @property
    def tokens(self) -> TokenRows:
        """Names of the model's tokens, and the texts that have them."""
        return self._once("tokens", self._read_tokens)

    def _read_tokens(self) -> TokenRows:
        return TokenRows(self.classifier.tokenizer, self.texts.text, self.classifier.max_length)

    @property
    def outliers(self) -> VirtualOutliers | None:
        """Virtual outliers of the run's sampler at the atlas's settings; None where no class can have them."""
        return self._once("outliers", self._draw)

    def _draw(self) -> VirtualOutliers | None:
        generator, n = self.generator("outliers"), self.settings.n_outliers
        return draw_where_feasible(self.sampler, self.density, self.head, n, generator).outliers

    def rng(self, name: str) -> np.random.Generator:
        """Randomness for one purpose: the same seed and name give the same draws, whatever else was drawn."""
        return np.random.default_rng(derive_seed(self.seed, "atlas", name))

    def generator(self, name: str) -> torch.Generator:
        """The same for torch, on the CPU."""
        return torch.Generator().manual_seed(derive_seed(self.seed, "atlas", name))

    def read(self, name: str) -> dict[str, Any] | None:
        """What an earlier producer wrote; None where it did not run or failed."""
        return None if self.folder is None else read_artefact(self.folder, name)

    def read_arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """The heavy arrays of an earlier producer; none where there are none."""
        return {} if self.folder is None else read_arrays(self.folder, name)

    def control(self) -> AtlasWorld:
        """The same world of an encoder of random weights, on 600 of the same texts at most; made once.

        Its `texts` have their own order, and its own predictions, margins and band.
        """
        from vos.atlas.control import control_world

        return self._once("control", lambda: control_world(self))

    def told(self, progress: Progress) -> AtlasWorld:
        """The same world with somebody else told how far it is; the two share what is computed once."""
        return replace(self, progress=progress)

    def _once(self, name: str, compute: Callable[[], T]) -> T:
        if name not in self._computed:
            self._computed[name] = compute()
        found: T = self._computed[name]
        return found


def sides(labels: Sequence[int | None], harmful: Sequence[int]) -> NDArray[np.float64]:
    """Side of each label: (n,) 1 harmful, 0 harmless, NaN where there is no label.

    Example:
        >>> sides([1, None, 0], (1,))
        array([ 1., nan,  0.])
    """
    return np.array([np.nan if label is None else float(label in harmful) for label in labels])
