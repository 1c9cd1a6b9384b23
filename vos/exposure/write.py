"""Auxiliary outlier texts that a language model writes from examples of many classes.

Virtual outliers are vectors, and only the head learns from a vector. A text passes through the encoder, so the encoder
learns from it too. No place in feature space is targeted here: a sample at high temperature after a prompt of mixed
classes resembles the training texts in style, but mostly has other subjects; the rest is removed by
`vos.exposure.filter`.

Source: outlier exposure, Hendrycks et al. 2019, there with natural texts; open-domain outliers for intents, Zhan et
al. 2021. Writing them with a language model from mixed classes, and filtering by the untrained encoder, are ours.
"""

from __future__ import annotations

import logging
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from vos.errors import ConfigError, DataError
from vos.generation.particles import Cost, Sampling
from vos.generation.writer import LanguageModelWriter
from vos.storage.seeds import derive_seed
from vos.storage.text_ids import leak_key
from vos.types import Example

logger = logging.getLogger(__name__)

TYPICAL = 0.99
"""Share of training texts from which a writing habit counts as common to all."""


@dataclass(frozen=True)
class WritingSettings:
    """How auxiliary outlier texts are written.

    Attributes:
        n: number of texts before those that resemble training texts are left out.
        shots: examples per prompt, of as many classes as possible.
        per_prompt: texts written per prompt, in one batch.
        min_words: shorter texts are left out.
        max_words: longer training texts are not used as examples.
        sampling: see `Sampling`; texts that are unfinished after its `max_tokens` are left out.
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
        """Largest number of prompts, after which writing stops in any case."""
        return 4 * -(-self.n // self.per_prompt)


@dataclass(frozen=True)
class OutlierText:
    """An auxiliary outlier text.

    Attributes:
        text: the text.
        parents: ids of the examples in its prompt; () for a text from elsewhere.
        distance: distance to the nearest training text in the features of the untrained encoder; None if not measured.
    """

    text: str
    parents: tuple[str, ...] = ()
    distance: float | None = None


@dataclass(frozen=True)
class Habits:
    """Writing habits of training texts that outliers must share, so that the classifier cannot separate them by these.

    Attributes:
        lower: no capital letters.
        open_end: no punctuation at the end.
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
        """Rewrite the text with these habits.

        Example:
            >>> Habits(lower=True, open_end=True).applied("Where is it?")
            'where is it'
        """
        text = text.rstrip(".?! ") if self.open_end else text
        return text.lower() if self.lower else text


def write_outlier_texts(
    model: LanguageModelWriter,
    examples: Sequence[Example],
    settings: WritingSettings,
    seed: int,
    known: Sequence[str] = (),
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[list[OutlierText], Cost]:
    """Write distinct texts, none of them an example or otherwise known.

    Args:
        model: the language model.
        examples: labelled texts.
        settings: see `WritingSettings`.
        seed: seed of the prompts and samples.
        known: further texts that must not be repeated, ignoring case: those that the classifier is measured on.
        progress: called with the number of texts found after each prompt.

    Raises:
        DataError: no labelled example is short enough, or none of the written texts is usable.
    """
    by_class = _by_class(examples, settings.max_words)
    texts = [example.text for example in examples]
    written, cost = _Written(Habits.of(texts), settings.min_words, (*texts, *known)), Cost()
    for number in range(settings.most_prompts):
        if len(written.found) >= settings.n:
            break
        prompt_seed = derive_seed(seed, "outlier texts", number)
        shots = _shots(by_class, settings.shots, prompt_seed)
        prompt = "\n".join(" ".join(shot.text.split()) for shot in shots) + "\n"
        particles = model.start(prompt, settings.per_prompt, settings.sampling.max_tokens)
        model.extender(settings.sampling, torch.Generator().manual_seed(prompt_seed), cost).extend(particles)
        parents = tuple(shot.id for shot in shots)
        for text, finished in zip(particles.texts(), particles.finished, strict=True):
            written.add(text, finished, parents)
        progress(min(len(written.found), settings.n))
    if not written.found:
        raise DataError(
            f"exposure: nothing could be used of what {model.name} wrote after {settings.most_prompts} prompts "
            f"(left out: {written.reasons}); for long texts raise exposure.writing.sampling.max_tokens"
        )
    if len(written.found) < settings.n:
        logger.warning(
            "exposure: %d of %d texts after %d prompts", len(written.found), settings.n, settings.most_prompts
        )
    logger.info("exposure: left out while writing: %s", written.reasons)
    return written.found[: settings.n], cost


class _Written:
    """The usable texts written so far, and the number of others by reason.

    Args:
        habits: habits of the training texts, which are applied to written texts.
        min_words: shorter texts are left out.
        known: texts that must not be repeated.
    """

    def __init__(self, habits: Habits, min_words: int, known: Sequence[str]) -> None:
        self.habits, self.min_words = habits, min_words
        self.found: list[OutlierText] = []
        self._keys = {leak_key(habits.applied(text)) for text in known}
        self._left_out: Counter[str] = Counter()

    def add(self, raw: str, finished: bool, parents: tuple[str, ...]) -> None:
        """Add a text, or count the reason against it."""
        text = self.habits.applied(raw)
        if not finished:
            self._left_out["not finished"] += 1
        elif len(text.split()) < self.min_words:
            self._left_out["too short"] += 1
        elif leak_key(text) in self._keys:
            self._left_out["known or repeated"] += 1
        else:
            self._keys.add(leak_key(text))
            self.found.append(OutlierText(text, parents))

    @property
    def reasons(self) -> str:
        """The reasons why texts were left out, with counts, in words."""
        return ", ".join(f"{n} {reason}" for reason, n in sorted(self._left_out.items())) or "none"


def _by_class(examples: Sequence[Example], max_words: int) -> dict[int, list[Example]]:
    by_class: dict[int, list[Example]] = defaultdict(list)
    for example in examples:
        if example.label is not None and len(example.text.split()) <= max_words:
            by_class[example.label].append(example)
    if not by_class:
        raise DataError(
            f"exposure: expected labelled training texts of at most {max_words} words to write after, "
            f"got none among {len(examples)}; raise exposure.writing.max_words"
        )
    return by_class


def _shots(by_class: dict[int, list[Example]], n: int, seed: int) -> list[Example]:
    """One example of each of `n` classes; of all classes in turn if there are fewer."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    classes = draw.sample(sorted(by_class), min(n, len(by_class)))
    shots = [draw.choice(by_class[classes[i % len(classes)]]) for i in range(n)]
    draw.shuffle(shots)
    return shots
