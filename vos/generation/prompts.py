"""Composes few prompts for all targets: labelled texts from both sides of the boundary, without naming the labels."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from sklearn.cluster import KMeans
from torch import Tensor

from vos.errors import ConfigError, DataError
from vos.generation.rules import has_debris
from vos.mining.targets import TargetSpace

SIDES = 2
"""A boundary has two sides, whatever the number of classes."""


@dataclass(frozen=True)
class PromptSettings:
    """How prompts are composed.

    Attributes:
        prompts: largest number of prompts for all targets.
        shots_per_side: number of examples from each side of the boundary; if no class is harmful, from each of the two
            classes nearest to the targets.
        relevance: weight of nearness against variety in the choice of examples, in [0, 1]; 1 ignores variety.
        max_words: longer texts are not used as examples.
    """

    prompts: int = 6
    shots_per_side: int = 3
    relevance: float = 0.5
    max_words: int = 40

    def __post_init__(self) -> None:
        if min(self.prompts, self.shots_per_side, self.max_words) < 1 or not 0 <= self.relevance <= 1:
            raise ConfigError(
                f"prompts: expected prompts, shots_per_side and max_words >= 1 and relevance in [0, 1], got {self}"
            )

    def most_shots(self, real: RealTexts) -> int:
        """Examples of a prompt, at most."""
        return self.shots_per_side * min(SIDES, len(set(real.labels.tolist())))


@dataclass(frozen=True)
class Prompt:
    """One prompt and the targets that it serves.

    Attributes:
        text: what the language model continues.
        shots: the examples in it.
        parents: ids of the examples.
        targets: indices of the targets.
    """

    text: str
    shots: tuple[str, ...]
    parents: tuple[str, ...]
    targets: tuple[int, ...]

    @property
    def hash(self) -> str:
        """SHA-256 (hex, first 16 characters) of the prompt's text."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class RealTexts:
    """Texts that people wrote, where targets can find neighbours.

    Attributes:
        ids: of n texts.
        texts: the texts.
        coordinates: (n, r) see `TargetSpace`.
        margins: (n,) logit units.
        labels: (n,) int64, what the examples of a prompt are balanced by: harmful (1) or not (0); the class where no
            class is harmful.
        n_labelled: the first so many are labelled; the others come from the pool. None: all are.

    Raises:
        DataError: only one class is there.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    coordinates: Tensor
    margins: Tensor
    labels: Tensor
    n_labelled: int | None = None

    @property
    def labelled(self) -> list[int]:
        """Rows of labelled texts without debris."""
        return sorted(row for row in self.clean if self.n_labelled is None or row < self.n_labelled)

    @property
    def places(self) -> Tensor:
        """(n, r + 1) float64: coordinates and margin."""
        return torch.cat([self.coordinates, self.margins.double()[:, None]], 1)

    @functools.cached_property
    def clean(self) -> frozenset[int]:
        """Rows of texts without debris; only these are shown to the language model, which would repeat debris."""
        return frozenset(row for row, text in enumerate(self.texts) if not has_debris(text))

    def __post_init__(self) -> None:
        if len(set(self.labels.tolist())) < 2:
            raise DataError(
                f"expected labelled texts of at least two classes to compose prompts from, got {len(self.ids)} texts "
                f"of classes {sorted(set(self.labels.tolist()))}; label texts of the other side first"
            )


def compose(
    real: RealTexts,
    space: TargetSpace,
    coordinates: Tensor,
    targets: Sequence[int],
    settings: PromptSettings,
    generator: torch.Generator,
) -> tuple[Prompt, ...]:
    """Prompts for targets, each served by exactly one.

    Targets that lie together share a prompt (k-means). Its examples are neighbours of the cluster's centre, equally
    many from each side, in a random order without a word about the class.

    Args:
        real: texts to choose examples from.
        space: gives distances.
        coordinates: (m, r) of all targets.
        targets: indices of the targets to serve.
        settings: see `PromptSettings`.
        generator: seeds the clusters and the order of the examples.

    Raises:
        DataError: a class has no text short enough to be an example.
    """
    if not targets:
        return ()
    k = min(settings.prompts, len(targets))
    seed = int(torch.randint(2**31 - 1, (), generator=generator))
    points = coordinates[list(targets)].numpy()
    clusters = KMeans(k, n_init=4, random_state=seed).fit(points)
    prompts = []
    for number in sorted(set(clusters.labels_.tolist())):  # equal points leave clusters empty
        members = tuple(int(t) for t, c in zip(targets, clusters.labels_, strict=True) if c == number)
        centre = torch.from_numpy(points[clusters.labels_ == number].mean(0))
        rows = [
            row
            for label in _nearest_labels(real, space, centre)
            for row in _shots(real, space, centre, label, settings)
        ]
        rows = [rows[i] for i in torch.randperm(len(rows), generator=generator).tolist()]
        shots = tuple(" ".join(real.texts[row].split()) for row in rows)
        text = "".join(f"- {shot}\n" for shot in shots) + "-"
        prompts.append(Prompt(text, shots, tuple(real.ids[row] for row in rows), members))
    return tuple(prompts)


def _nearest_labels(real: RealTexts, space: TargetSpace, centre: Tensor) -> list[int]:
    """The two labels with the texts nearest to the centre, ascending."""
    distances = space.distances(real.coordinates, centre[None])[:, 0]
    nearest = {label: float(distances[real.labels == label].min()) for label in set(real.labels.tolist())}
    return sorted(sorted(nearest, key=lambda label: (nearest[label], label))[:SIDES])


def _shots(real: RealTexts, space: TargetSpace, centre: Tensor, label: int, settings: PromptSettings) -> list[int]:
    """Rows of one class by maximal marginal relevance: near the centre, apart from each other."""
    rows = [
        row
        for row in torch.nonzero(real.labels == label)[:, 0].tolist()
        if row in real.clean and len(real.texts[row].split()) <= settings.max_words
    ]
    if not rows:
        raise DataError(
            f"prompts: no text of class {label} has at most max_words={settings.max_words} words and no debris; "
            "raise max_words"
        )
    points = real.coordinates[rows]
    near = space.distances(points, centre[None])[:, 0]
    apart = torch.full_like(near, torch.inf)
    chosen: list[int] = []
    while len(chosen) < min(settings.shots_per_side, len(rows)):
        # The first example has nothing to be apart from.
        variety = apart if chosen else torch.zeros_like(near)
        score = (1 - settings.relevance) * variety - settings.relevance * near
        score[chosen] = -torch.inf
        chosen.append(int(score.argmax()))
        apart = torch.minimum(apart, space.distances(points, points[chosen[-1:]])[:, 0])
    return [rows[i] for i in chosen]
