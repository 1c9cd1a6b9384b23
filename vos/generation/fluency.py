"""Is a made text as likely as real ones are? A language model that sees no prompt says how likely its words are.

What makes no sense is seldom unlikely to the model that wrote it: drawn below temperature 1, most of what it writes is
likelier, word for word, than real texts of its length, and nonsense is no exception. Two bounds keep a made text where
real texts lie. Both are quantiles of real texts; no made text has a part in them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vos.errors import ConfigError, DataError

FEWEST = 20
"""Real texts that bounds need."""

UNLIKELY, PREDICTABLE = "less likely than real texts", "more predictable than real texts"
"""Why a text is refused."""


@dataclass(frozen=True)
class FluencySettings:
    """How likely a made text may be, among real texts of its length.

    Attributes:
        lowest: share of real texts that are less likely than any accepted text, in [0, 1); 0 refuses none.
        highest: share of real texts that are no likelier than the likeliest accepted text, in (0, 1]; 1 refuses none.
        texts: real texts that this is measured on; a sample where there are more.
    """

    lowest: float = 0.0
    highest: float = 1.0
    texts: int = 300

    def __post_init__(self) -> None:
        if not 0 <= self.lowest < self.highest <= 1 or self.texts < FEWEST:
            raise ConfigError(f"fluency: expected 0 <= lowest < highest <= 1 and texts >= {FEWEST}, got {self}")

    @property
    def refuses(self) -> bool:
        """Whether any text can be refused; else no language model is asked."""
        return self.lowest > 0 or self.highest < 1


class Fluency:
    """Tells texts that are as likely as real ones from others.

    The value of a text is its mean log-probability a token less what real texts of its length have: a straight line in
    the logarithm of the number of words, fitted by least squares.

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
        """How likely the text is, in nats a token, beside real texts of its length."""
        return float(self._mean(text) - _length(text) @ self._line)

    def flaw(self, text: str) -> str | None:
        """Why a text is not among real ones, in words for the report, or None."""
        value, (low, high) = self.value(text), self.bounds
        if value < low:
            return UNLIKELY
        return PREDICTABLE if value > high else None

    def _mean(self, text: str) -> Tensor:
        return self._log_probabilities(text).double().mean()


def _length(text: str) -> Tensor:
    """(2,): a constant, and the logarithm of the number of words."""
    return torch.tensor([1.0, math.log(max(len(text.split()), 1))], dtype=torch.float64)
