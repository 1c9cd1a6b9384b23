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
        return self.shots_per_side * min(SIDES, len(set(real.groups.tolist())))


@dataclass(frozen=True)
class Prompt:
    """One prompt and the targets that it serves.

    Attributes:
        text: what the language model continues.
        shots: the examples in it.
        parents: ids of the examples.
        targets: indices of the targets.
        rows: rows of the examples in `RealTexts`; ids do not tell, as a text of the pool may have that of a training
            text.
        labelled: rows of labelled texts for an instruction, which says of its examples what they are: the examples if
            all are labelled, otherwise their labelled neighbours, chosen in the same way.
    """

    text: str
    shots: tuple[str, ...]
    parents: tuple[str, ...]
    targets: tuple[int, ...]
    rows: tuple[int, ...]
    labelled: tuple[int, ...]

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
        groups: (n,) int64, what the examples of a prompt are balanced by: harmful (1) or not (0); the class where no
            class is harmful. Of an unlabelled text it is predicted, and no label.
        n_labelled: the first so many are labelled; the others come from the pool. None: all are.

    Raises:
        DataError: only one class is there.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    coordinates: Tensor
    margins: Tensor
    groups: Tensor
    n_labelled: int | None = None

    @property
    def labels(self) -> Tensor:
        """The groups of the labelled texts, which come first: there are no labels of the others."""
        return self.groups[: self.n_labelled]

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
        if len(set(self.groups.tolist())) < 2:
            raise DataError(
                f"expected labelled texts of at least two classes to compose prompts from, got {len(self.ids)} texts "
                f"of classes {sorted(set(self.groups.tolist()))}; label texts of the other side first"
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
        groups = _nearest_groups(real, space, centre)
        rows = [row for group in groups for row in _shots(real, space, centre, group, settings)]
        rows = [rows[i] for i in torch.randperm(len(rows), generator=generator).tolist()]
        shots = tuple(" ".join(real.texts[row].split()) for row in rows)
        text = "".join(f"- {shot}\n" for shot in shots) + "-"
        labelled = rows if max(rows) < len(real.labels) else _labelled(real, space, centre, groups, settings)
        parents = tuple(real.ids[row] for row in rows)
        prompts.append(Prompt(text, shots, parents, members, tuple(rows), tuple(labelled)))
    return tuple(prompts)


def _nearest_groups(real: RealTexts, space: TargetSpace, centre: Tensor) -> list[int]:
    """The two groups with the texts nearest to the centre, ascending."""
    distances = space.distances(real.coordinates, centre[None])[:, 0]
    nearest = {group: float(distances[real.groups == group].min()) for group in set(real.groups.tolist())}
    return sorted(sorted(nearest, key=lambda group: (nearest[group], group))[:SIDES])


def _short(real: RealTexts, groups: Tensor, group: int, settings: PromptSettings) -> list[int]:
    """Rows of one group that may be examples; `groups` (k,) are of the first k texts."""
    return [
        row
        for row in torch.nonzero(groups == group)[:, 0].tolist()
        if row in real.clean and len(real.texts[row].split()) <= settings.max_words
    ]


def _shots(real: RealTexts, space: TargetSpace, centre: Tensor, group: int, settings: PromptSettings) -> list[int]:
    """Examples of one group; a prompt needs some of both."""
    rows = _short(real, real.groups, group, settings)
    if not rows:
        raise DataError(
            f"prompts: no text of class {group} has at most max_words={settings.max_words} words and no debris; "
            "raise max_words"
        )
    return _chosen(real, space, centre, rows, settings)


def _labelled(
    real: RealTexts, space: TargetSpace, centre: Tensor, groups: Sequence[int], settings: PromptSettings
) -> list[int]:
    """Labelled examples of these groups; none of a group without a short labelled text."""
    short = [_short(real, real.labels, group, settings) for group in groups]
    return [row for rows in short for row in _chosen(real, space, centre, rows, settings)]


def _chosen(
    real: RealTexts, space: TargetSpace, centre: Tensor, rows: Sequence[int], settings: PromptSettings
) -> list[int]:
    """Of these rows those of maximal marginal relevance: near the centre, apart from each other."""
    points = real.coordinates[list(rows)]
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
