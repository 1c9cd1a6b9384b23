"""Texts of no class: what a language model writes after examples of many classes, less what is like the examples.

Virtual outliers are vectors, and only the head learns from a vector. A text passes through the encoder, so the encoder
learns from it too. Nothing is aimed at here: a hot sample after a mixed prompt is near the training texts in style and
mostly off their subjects, and what is not is told by the encoder as it was before any training.

Source: outlier exposure, Hendrycks et al. 2019, there with natural texts; open-domain outliers for intents, Zhan et
al. 2021. Writing them with a language model shown mixed classes, and sorting them by the untrained encoder, are ours.
"""

from __future__ import annotations

import logging
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from vos.errors import ConfigError, DataError
from vos.generation.language_model import LanguageModel
from vos.generation.particles import Cost, Extender, Sampling
from vos.generation.session import stream
from vos.scores import knn
from vos.types import Example

logger = logging.getLogger(__name__)

TYPICAL = 0.99
"""Share of training texts from which a habit of writing is taken for that of all."""

QUANTILE_ROWS = 20_000
"""Training texts, evenly picked, that the quantile is measured on at most; each is compared with all of them."""


@dataclass(frozen=True)
class WritingSettings:
    """How texts of no class are written.

    Attributes:
        n: texts wanted, before those that are like training texts are left out.
        shots: examples of a prompt, of as many classes as there are.
        per_prompt: texts written after each prompt, at once.
        min_words: shorter ones are left out.
        max_words: longer training texts are not used as examples.
        sampling: see `Sampling`; texts that are not finished after its `max_tokens` are left out.
    """

    n: int = 3000
    shots: int = 8
    per_prompt: int = 64
    min_words: int = 3
    max_words: int = 100
    sampling: Sampling = field(default_factory=Sampling)

    def __post_init__(self) -> None:
        counts = (self.n, self.shots, self.per_prompt, self.min_words, self.max_words)
        if min(counts) < 1:
            raise ConfigError(
                "exposure.writing: expected n, shots, per_prompt, min_words and max_words of at least 1, got "
                + ", ".join(map(str, counts))
            )

    @property
    def most_prompts(self) -> int:
        """After so many prompts there is an end, whatever was found."""
        return 4 * -(-self.n // self.per_prompt)


@dataclass(frozen=True)
class OutlierText:
    """A text of no class.

    Attributes:
        text: the text.
        parents: ids of the examples that it was written after; () for a text from elsewhere.
        distance: to the nearest training text in the features of the untrained encoder, or None when not measured.
    """

    text: str
    parents: tuple[str, ...] = ()
    distance: float | None = None


@dataclass(frozen=True)
class Habits:
    """What training texts have in common in writing, and outliers must share: else the classifier learns to tell by it.

    Attributes:
        lower: no capitals.
        open_end: no mark at the end.
    """

    lower: bool
    open_end: bool

    @classmethod
    def of(cls, texts: Sequence[str]) -> Habits:
        """Habits of almost all of the texts."""
        lower = sum(text == text.lower() for text in texts)
        open_end = sum(text == text.rstrip(".?!") for text in texts)
        return cls(lower >= TYPICAL * len(texts), open_end >= TYPICAL * len(texts))

    def applied(self, text: str) -> str:
        """The text, written so.

        Example:
            >>> Habits(lower=True, open_end=True).applied("Where is it?")
            'where is it'
        """
        text = text.rstrip(".?! ") if self.open_end else text
        return text.lower() if self.lower else text


def write_outlier_texts(
    model: LanguageModel,
    examples: Sequence[Example],
    settings: WritingSettings,
    seed: int,
    known: Sequence[str] = (),
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[list[OutlierText], Cost]:
    """Different texts, none of them an example or otherwise known, and what they cost.

    Args:
        model: writes.
        examples: labelled texts.
        settings: see `WritingSettings`.
        seed: of the prompts and of the samples.
        known: further texts that none of them may repeat, whatever the case: those that the classifier is measured on.
        progress: called with the number of texts found after each prompt.

    Raises:
        DataError: no labelled example that is short enough, or nothing could be used of what was written.
    """
    by_class: dict[int, list[Example]] = defaultdict(list)
    for example in examples:
        if example.label is not None and len(example.text.split()) <= settings.max_words:
            by_class[example.label].append(example)
    if not by_class:
        raise DataError(
            f"exposure: expected labelled training texts of at most {settings.max_words} words to write after, "
            f"got none among {len(examples)}; raise exposure.writing.max_words"
        )
    habits = Habits.of([example.text for example in examples])
    seen = {_key(habits.applied(text)) for text in (*(example.text for example in examples), *known)}
    left_out: Counter[str] = Counter()
    found: list[OutlierText] = []
    cost = Cost()
    for number in range(settings.most_prompts):
        if len(found) >= settings.n:
            break
        own_seed, generator = stream(seed, "outlier texts", number)
        shots = _shots(by_class, settings.shots, own_seed)
        extender = Extender(settings.sampling, generator, cost)
        prompt = "\n".join(" ".join(shot.text.split()) for shot in shots) + "\n"
        particles = model.start(prompt, settings.per_prompt, settings.sampling.max_tokens)
        extender.extend(particles)
        for raw, finished in zip(particles.texts(), particles.finished, strict=True):
            text = habits.applied(raw)
            if not finished:
                left_out["not finished"] += 1
            elif len(text.split()) < settings.min_words:
                left_out["too short"] += 1
            elif _key(text) in seen:
                left_out["known or repeated"] += 1
            else:
                seen.add(_key(text))
                found.append(OutlierText(text, tuple(shot.id for shot in shots)))
        progress(min(len(found), settings.n))
    reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(left_out.items())) or "none"
    if not found:
        raise DataError(
            f"exposure: nothing could be used of what {model.name} wrote after {settings.most_prompts} prompts "
            f"(left out: {reasons}); for long texts raise exposure.writing.sampling.max_tokens"
        )
    if len(found) < settings.n:
        logger.warning("exposure: %d of %d texts after %d prompts", len(found), settings.n, settings.most_prompts)
    logger.info("exposure: left out while writing: %s", reasons)
    return found[: settings.n], cost


def _key(text: str) -> str:
    """What two texts share that count as one: case and white space are not looked at."""
    return " ".join(text.split()).lower()


def _shots(by_class: dict[int, list[Example]], n: int, seed: int) -> list[Example]:
    """One example of each of `n` classes; of all classes in turn where there are fewer."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    classes = draw.sample(sorted(by_class), min(n, len(by_class)))
    shots = [draw.choice(by_class[classes[i % len(classes)]]) for i in range(n)]
    draw.shuffle(shots)
    return shots


def far_from_training(
    texts: Sequence[OutlierText], features: Tensor, train: Tensor, quantile: float
) -> list[OutlierText]:
    """The texts that are farther from their nearest training text than most training texts are from each other.

    Args:
        texts: n of them.
        features: (n, d) of the texts, by the encoder before any training.
        train: (N, d) of the training texts, N >= 2, likewise.
        quantile: of the distances from training texts to their nearest others, in [0, 1]; texts beyond it stay.

    Raises:
        DataError: no text stays.
    """
    distances = knn(features, train, 1)
    some = train[:: -(-len(train) // QUANTILE_ROWS)]
    least = knn(some, train, 2).quantile(quantile)
    kept = [
        OutlierText(each.text, each.parents, distance)
        for each, distance in zip(texts, distances.tolist(), strict=True)
        if distance > least
    ]
    if not kept:
        raise DataError(
            f"exposure: none of {len(texts)} texts is farther than {float(least):.3f} from every training text "
            f"(quantile {quantile}); lower exposure.quantile, or bring texts of other kinds"
        )
    return kept
