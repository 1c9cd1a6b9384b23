"""Fluency: whether a made text is about as likely as real texts, under a language model without a prompt.

Nonsense is rarely unlikely under the model that wrote it: sampled below temperature 1, most of its texts, nonsense
included, have a higher likelihood per word than real texts of the same length. So a made text must lie between a lower
and an upper bound, which are quantiles of real texts only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vos.errors import ConfigError, DataError

FEWEST = 20
"""Smallest number of real texts for computing bounds."""

UNLIKELY, PREDICTABLE = "less likely than real texts", "more predictable than real texts"
"""Reasons for refusing a text."""


@dataclass(frozen=True)
class FluencySettings:
    """The range of likelihood of made texts, relative to real texts of the same length.

    Attributes:
        lowest: quantile of real texts below which a text is refused, in [0, 1); 0: none is refused.
        highest: quantile of real texts above which a text is refused, in (0, 1]; 1: none is refused.
        texts: largest number of real texts used for the quantiles; a sample if there are more.
    """

    lowest: float = 0.0
    highest: float = 1.0
    texts: int = 300

    def __post_init__(self) -> None:
        if not 0 <= self.lowest < self.highest <= 1 or self.texts < FEWEST:
            raise ConfigError(f"fluency: expected 0 <= lowest < highest <= 1 and texts >= {FEWEST}, got {self}")

    @property
    def refuses(self) -> bool:
        """Whether any text can be refused; otherwise the language model is not needed."""
        return self.lowest > 0 or self.highest < 1


class Fluency:
    """Checks whether a text is about as likely as real texts.

    The value of a text is its mean log-probability per token minus that of real texts of its length, a linear function
    of the logarithm of the number of words, fitted by least squares.

    Args:
        log_probabilities: (t,) of the tokens of a text without a prompt, see `LanguageModel.log_probabilities`.
        real: real texts.
        settings: see `FluencySettings`.
        generator: chooses the sample.

    Attributes:
        bounds: lowest and highest value of an accepted text; infinite where nothing is refused.

    Raises:
        DataError: fewer than 20 real texts.
    """

    def __init__(
        self,
        log_probabilities: Callable[[str], Tensor],
        real: Sequence[str],
        settings: FluencySettings,
        generator: torch.Generator,
    ) -> None:
        if len(real) < FEWEST:
            raise DataError(f"fluency: expected at least {FEWEST} real texts, got {len(real)}; unset fluency")
        self._log_probabilities = log_probabilities
        rows = torch.randperm(len(real), generator=generator)[: settings.texts].tolist()
        means = torch.stack([self._mean(real[row]) for row in rows])
        lengths = torch.stack([_length(real[row]) for row in rows])
        self._line = torch.linalg.lstsq(lengths, means[:, None], driver="gelsd").solution[:, 0]
        left = means - lengths @ self._line
        low, high = left.quantile(settings.lowest), left.quantile(settings.highest)
        self.bounds = (
            float(low) if settings.lowest > 0 else -math.inf,
            float(high) if settings.highest < 1 else math.inf,
        )

    def value(self, text: str) -> float:
        """Log-likelihood of the text in nats per token, relative to real texts of its length."""
        return float(self._mean(text) - _length(text) @ self._line)

    def flaw(self, text: str) -> str | None:
        """Why a text is outside the range of real texts, in words for the report, or None."""
        value, (low, high) = self.value(text), self.bounds
        if value < low:
            return UNLIKELY
        return PREDICTABLE if value > high else None

    def _mean(self, text: str) -> Tensor:
        return self._log_probabilities(text).double().mean()


def _length(text: str) -> Tensor:
    """(2,): a constant, and the logarithm of the number of words."""
    return torch.tensor([1.0, math.log(max(len(text.split()), 1))], dtype=torch.float64)
