"""Drafts: texts that start with the beginning of a real text.

If the beginning of a real text has a good value for a target (`vos.generation.prefix_value`), using it saves tokens,
and the language model starts near the target. Each such beginning is continued several times by a few tokens; the
prefix value is computed again, and only the most promising drafts are finished. No candidate next tokens are scored,
only drafts are compared.

Unlike `vos.generation.smc` this is a search, not a sampler: its texts are not draws from `p φ`, and no log Z comes
of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

import torch
from torch import Tensor

from vos.errors import ConfigError
from vos.generation.particles import T, TextExtender
from vos.generation.prefix_value import WORDS, PrefixValue, first_words
from vos.generation.smc import TextPotential
from vos.mining.targets import Potential, Targets


@dataclass(frozen=True)
class DraftSettings:
    """How texts are started, drafted and finished.

    Attributes:
        shortest: smallest share of a real text's words in a beginning.
        longest: largest share; a larger one would give near-copies of the real text.
        known: largest number of beginnings considered, over all real texts; a sample if there are more.
        beginnings: number of real texts whose beginnings are used in a round, best prefix value first.
        copies: number of drafts per beginning.
        levels: how many times drafts are judged and selected.
        tokens: number of tokens written before each judgement.
        kept: number of drafts kept at each judgement.
        finishes: number of continuations of each kept draft.
    """

    shortest: float = 0.25
    longest: float = 0.4
    known: int = 6000
    beginnings: int = 8
    copies: int = 6
    levels: int = 2
    tokens: int = 5
    kept: int = 12
    finishes: int = 2

    def __post_init__(self) -> None:
        if min(self.known, self.beginnings, self.copies, self.levels, self.tokens, self.kept, self.finishes) < 1:
            raise ConfigError(f"drafts: expected numbers of at least 1, got {self}")
        if not 0 < self.shortest <= self.longest < 1:
            raise ConfigError(f"drafts: expected 0 < shortest <= longest < 1, got {self}")


@dataclass(frozen=True)
class Beginnings:
    """The beginnings of real texts and where they lead.

    Attributes:
        prefix_value: see `PrefixValue`.
        texts: n beginnings.
        rows: (n,) int64, the real text of each.
        places: (n, r + 1) expected places of whole texts that begin so.
        words: (n,) int64, see `PrefixValue.expected`.
        left: (n,) words of the real text after the beginning.
    """

    prefix_value: PrefixValue
    texts: tuple[str, ...]
    rows: Tensor
    places: Tensor
    words: Tensor
    left: Tensor

    @classmethod
    def of(
        cls,
        texts: Sequence[str],
        rows: Sequence[int],
        prefix_value: PrefixValue,
        settings: DraftSettings,
        seed: torch.Generator,
    ) -> Beginnings:
        """Cut real texts where the settings allow it.

        Args:
            texts: real texts.
            rows: those that may be begun.
            prefix_value: fitted to them.
            settings: see `DraftSettings`.
            seed: chooses the sample.
        """
        cuts = []
        for row in rows:
            length = len(texts[row].split())
            cuts += [(row, n, length - n) for n in WORDS if settings.shortest <= n / length <= settings.longest]
        if len(cuts) > settings.known:
            chosen = torch.randperm(len(cuts), generator=seed)[: settings.known].sort().values
            cuts = [cuts[i] for i in chosen.tolist()]
        beginnings = tuple(first_words(texts[row], n) for row, n, _ in cuts)
        places, words = prefix_value.expected(beginnings)
        table = torch.tensor([(row, left) for row, _, left in cuts], dtype=torch.int64).view(-1, 2)
        return cls(prefix_value, beginnings, table[:, 0], places, words, table[:, 1])

    def ranked(self, goal: Targets, potential: Potential, without: frozenset[int]) -> list[int]:
        """Indices for one target, best first: the most φ expected for each word that is left to write.

        Only the best cut of every real text is there; real texts in `without` are left out.
        """
        value = self.prefix_value.log_value(self.places, self.words, goal, potential) - self.left.double().log()
        best: dict[int, int] = {}
        for index in value.argsort(descending=True, stable=True).tolist():
            row = int(self.rows[index])
            if row not in without:
                best.setdefault(row, index)
        return list(best.values())


@dataclass(frozen=True)
class Drafted(Generic[T]):
    """What came of a round.

    Attributes:
        particles: the texts that were judged, all done.
        begun: for each, the index of the particle that it began as.
        log_potential: (n,) float64.
    """

    particles: T
    begun: tuple[int, ...]
    log_potential: Tensor


def draft(begun: T, potential: TextPotential, extender: TextExtender[T], settings: DraftSettings) -> Drafted[T]:
    """Draft, choose, finish and judge.

    Args:
        begun: one particle for each beginning.
        potential: φ; its `prefix` is asked about drafts, its `whole` about texts.
        extender: writes; its cost counts tokens and texts that were read.
        settings: see `DraftSettings`.
    """
    origin = [row for row in range(len(begun)) for _ in range(settings.copies)]
    drafts = begun.select(origin)
    for _ in range(settings.levels):
        extender.extend(drafts, settings.tokens)
        done = extender.done(drafts)
        open_rows = [row for row, end in enumerate(done) if not end]
        texts = drafts.texts()
        value = potential.prefix([texts[row] for row in open_rows])
        extender.cost.classifier_texts += len(open_rows)
        order = value.argsort(descending=True, stable=True)[: settings.kept].tolist()
        rows = [open_rows[i] for i in order for _ in range(settings.finishes)]
        # A draft that ended by itself is already a whole text, and is kept.
        rows += [row for row, end in enumerate(done) if end]
        drafts, origin = drafts.select(rows), [origin[row] for row in rows]
    extender.extend(drafts)
    judged = potential.whole(drafts.texts(), drafts.finished)
    extender.cost.classifier_texts += len(drafts)
    return Drafted(drafts, tuple(origin), judged)
