"""Candidates: texts that may be sent to people, with all computed values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vos.density import GaussianDensity
from vos.metrics.margins import margin
from vos.storage.provenance import Provenance
from vos.storage.text_ids import text_uid
from vos.types import Example, FeatureBatch

FOUND = Provenance("pool", classifier_texts=1)
"""Provenance of a text of the pool, which the classifier read once."""


def text_key(example: Example) -> tuple[str, str]:
    """Id and uid, which identify a text of a pool: the ids of several files may be the same for different texts."""
    return example.id, text_uid(example.text)


@dataclass(frozen=True, slots=True)
class Covers:
    """The coverage of the boundary that a chosen text adds.

    Attributes:
        share: share of the demand, in [0, 1], beyond what labelled texts and earlier choices cover.
        neighbours: ids of the texts of the demand that it covers best, best first.
    """

    share: float
    neighbours: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A text proposed for labelling, with its computed values.

    Attributes:
        example: the text.
        margin: logit units, see `vos.metrics.margins.margin`.
        probability: (C,) softmax of the logits.
        mahalanobis: (C,) squared distances to the class means.
        target: index of the target that the text was chosen or written for, or None.
        distance: D to that target in units of the space, or None.
        log_potential: log φ of that target, or None.
        provenance: see `Provenance`.
        chosen: reason for the choice, see `vos.labeling.BoundaryRecord`.
        covers: see `Covers`; None for a text that was chosen for another reason.
    """

    example: Example
    margin: float
    probability: tuple[float, ...]
    mahalanobis: tuple[float, ...]
    target: int | None = None
    distance: float | None = None
    log_potential: float | None = None
    provenance: Provenance = FOUND
    chosen: str = "target"
    covers: Covers | None = None


@dataclass(frozen=True)
class Facts:
    """Scored texts, with all values that a candidate needs.

    Attributes:
        examples: n texts.
        batch: features (n, d) and logits (n, C).
        margins: (n,) logit units.
        mahalanobis: (n, C) squared distances to the class means.
        errors: (n,) float64, probability that the prediction is wrong, in [0, 1].
    """

    examples: list[Example]
    batch: FeatureBatch
    margins: Tensor
    mahalanobis: Tensor
    errors: Tensor

    @classmethod
    def of(
        cls,
        examples: list[Example],
        batch: FeatureBatch,
        density: GaussianDensity,
        harmful: Sequence[int],
        errors: Callable[[Tensor], Tensor] | None = None,
    ) -> Facts:
        """Build from scored texts; `errors` computes the probability of a mistake (n,) from margins (n,).

        Without it, the uncalibrated probability from the margin is used.
        """
        margins = margin(batch.logits, harmful)
        expected = torch.sigmoid(-margins.abs().double()) if errors is None else errors(margins)
        return cls(examples, batch, margins, density.mahalanobis(batch.features), expected)

    @classmethod
    def none(cls, n_features: int, n_classes: int) -> Facts:
        """Facts of zero texts."""
        batch = FeatureBatch(torch.empty(0, n_features), torch.empty(0, n_classes))
        nothing = torch.empty(0, dtype=torch.float64)
        return cls([], batch, torch.empty(0), torch.empty(0, n_classes, dtype=torch.float64), nothing)

    def __len__(self) -> int:
        return len(self.examples)

    def at(self, rows: Sequence[int]) -> Facts:
        """The texts at these rows, in this order."""
        index = torch.tensor(rows, dtype=torch.int64)
        batch = FeatureBatch(self.batch.features[index], self.batch.logits[index])
        numbers = (self.margins[index], self.mahalanobis[index], self.errors[index])
        return Facts([self.examples[row] for row in rows], batch, *numbers)

    @staticmethod
    def together(parts: Sequence[Facts]) -> Facts:
        """Concatenate parts, at least one."""
        batch = FeatureBatch(
            torch.cat([part.batch.features for part in parts]), torch.cat([part.batch.logits for part in parts])
        )
        examples = [example for part in parts for example in part.examples]
        numbers = (torch.cat([getattr(part, n) for part in parts]) for n in ("margins", "mahalanobis", "errors"))
        return Facts(examples, batch, *numbers)

    def candidate(
        self, row: int, target: int | None = None, distance: float | None = None, value: float | None = None
    ) -> Candidate:
        """The text at a row as a candidate, with or without a target."""
        return Candidate(
            self.examples[row],
            float(self.margins[row]),
            tuple(torch.softmax(self.batch.logits[row].double(), -1).tolist()),
            tuple(self.mahalanobis[row].tolist()),
            target,
            distance,
            value,
        )
