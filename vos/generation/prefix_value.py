"""Predicts from the beginning of a text where the whole text will lie, to guide samplers before it is finished.

The twist that sequential Monte Carlo would like best is `ψ(x) = E[φ(whole text) | it begins with x]`. It can be learned
without a token of a language model: the beginnings of real texts are read by the classifier, and their places are
regressed on. What the regression leaves over, the residuals, stands for all the ends that a beginning may have, so

    ψ(x) ≈ mean_j φ(ŷ(x) + e_j),    ŷ the predicted place, e_j residuals of real texts.

A place is the coordinates of `TargetSpace` and the margin. There is one regression for each of several numbers of
words, because half of a text predicts more than a tenth of it.

Source: the optimal twist is that of Zhao et al. 2024; learning it from real beginnings is ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vos.mining.targets import Potential, Targets, TargetSpace
from vos.types import Featurizer

WORDS = (2, 4, 6, 8, 11, 14, 18, 23, 29, 36)
"""Numbers of words that have a regression; a beginning of another length uses the nearest."""

MORE_WORDS = 2
"""A real text is used for a beginning only if at least this many words follow."""

FEWEST = 30
"""Texts that a regression needs; a number of words with fewer has none."""

RESIDUALS = 256
"""Residuals kept for each number of words."""

PENALTY = 5.0
"""Ridge penalty on the deviation of the regression from the identity; with few texts, the prediction is close to the
place of the beginning."""


@dataclass(frozen=True)
class Regression:
    """One number of words.

    Attributes:
        change: (r + 2, r + 1) float64; the predicted place is `p + [p, 1] @ change` for the place p of a beginning.
        residuals: (s, r + 1) float64 leave-one-out residuals.
    """

    change: Tensor
    residuals: Tensor

    @classmethod
    def fit(cls, beginnings: Tensor, wholes: Tensor) -> Regression:
        """Ridge regression of places (n, r + 1) of whole texts on those of their beginnings."""
        x = _with_one(beginnings)
        penalty = PENALTY * torch.eye(x.shape[1], dtype=x.dtype)
        penalty[-1, -1] = 0.0
        factor = torch.linalg.cholesky(x.T @ x + penalty)
        change = torch.cholesky_solve(x.T @ (wholes - beginnings), factor)
        leverage = torch.linalg.solve_triangular(factor, x.T, upper=False).square().sum(0)
        left = wholes - beginnings - x @ change
        residuals = left / (1 - leverage).clamp_min(0.1)[:, None]
        return cls(change, residuals[:: math.ceil(len(residuals) / RESIDUALS)])

    def expected(self, places: Tensor) -> Tensor:
        """Predicted places (n, r + 1) of whole texts that begin at places (n, r + 1)."""
        return places + _with_one(places) @ self.change


@dataclass(frozen=True)
class PrefixValue:
    """The regressions, and what they say of a beginning.

    Attributes:
        featurizer: the frozen classifier.
        space: gives coordinates.
        regressions: by number of words; when there is none, a beginning is judged as though it were whole.
    """

    featurizer: Featurizer
    space: TargetSpace
    regressions: dict[int, Regression]

    @classmethod
    def fit(
        cls,
        featurizer: Featurizer,
        space: TargetSpace,
        texts: Sequence[str],
        places: Tensor,
        generator: torch.Generator,
        sample: int,
    ) -> PrefixValue:
        """Learn from real texts.

        Args:
            featurizer: see `PrefixValue`.
            space: see `PrefixValue`.
            texts: n real texts.
            places: (n, r + 1) float64 of them.
            generator: chooses among them.
            sample: texts that a regression is fitted to, at most.
        """
        prefix_value = cls(featurizer, space, {})
        lengths = torch.tensor([len(text.split()) for text in texts])
        for words in WORDS:
            rows = torch.nonzero(lengths >= words + MORE_WORDS)[:, 0]
            if len(rows) < FEWEST:
                break
            rows = rows[torch.randperm(len(rows), generator=generator)[:sample]]
            read = prefix_value.places([first_words(texts[row], words) for row in rows.tolist()])
            prefix_value.regressions[words] = Regression.fit(read, places[rows])
        return prefix_value

    def places(self, texts: Sequence[str]) -> Tensor:
        """Places (n, r + 1) float64 as the classifier reads the texts now."""
        batch = self.featurizer.featurize(texts)
        return torch.cat(
            [self.space.coordinates(batch.features), self.space.margins(batch.logits).double()[:, None]], 1
        )

    def expected(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Predicted places (n, r + 1) of the whole texts, and the number of words (n,) whose regression told."""
        places = self.places(texts)
        words = torch.tensor([self._nearest(len(text.split())) for text in texts], dtype=torch.int64)
        for number in sorted(set(words.tolist())):
            if number:
                places[words == number] = self.regressions[number].expected(places[words == number])
        return places, words

    def log_value(self, expected: Tensor, words: Tensor, goal: Targets, potential: Potential) -> Tensor:
        """Log ψ (n,) float64 for one target; its arguments are what `expected` gives."""
        result = torch.empty(len(expected), dtype=torch.float64)
        for number in sorted(set(words.tolist())):
            rows = torch.nonzero(words == number)[:, 0]
            residuals = self.regressions[number].residuals if number else torch.zeros_like(expected[:1])
            for part in torch.split(rows, 1024):  # bounds the memory
                ends = expected[part][:, None] + residuals
                flat = ends.flatten(0, 1)
                distances = self.space.distances(flat[:, :-1], goal.coordinates)[:, 0]
                values = potential.log_value(distances, (flat[:, -1] - goal.margins.double()).abs())
                result[part] = values.view(ends.shape[:2]).logsumexp(1) - math.log(len(residuals))
        return result

    def _nearest(self, words: int) -> int:
        return min(self.regressions, key=lambda number: abs(number - words), default=0)


def first_words(text: str, words: int) -> str:
    """The first words of a text, one blank between them."""
    return " ".join(text.split()[:words])


def _with_one(places: Tensor) -> Tensor:
    return torch.cat([places, places.new_ones(len(places), 1)], 1)
