"""Where a text comes from: told by whoever finds or makes it, kept in its record, checked by verification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

GIVEN = ("pool", "labelled")
"""Sources of texts that no language model wrote, see `Provenance`."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a text comes from and what finding it cost: enough to make a made text again.

    Attributes:
        source: "pool" (unlabelled texts) or "labelled" (a known answer); of made texts "lm" (plain sample), "smc"
            (sequential Monte Carlo and moves from its particles), "prefix_conditioned" (from a real text),
            "instructed" (asked for in a chat) or "counterfactual" (a training text changed until it crosses).
        parents: ids of the real texts that a made text descends from: the examples of its prompt, then the start of
            its chain.
        prompt_hash: of the prompt of a made text.
        language_model: fingerprint of the language model that made it.
        seed: of the random numbers that made the text; for texts of the pool, of the synthesis. None when unknown.
        lm_tokens: tokens sampled for the target before the text was there.
        classifier_texts: texts and prefixes that the classifier read for the target before the text was there; a text
            of the pool costs the one reading that found it. None when unknown.
        similarity: edit similarity of a made text to the nearest known text.
        words_changed: words inserted, deleted or replaced in the parent; counterfactuals only.
        parent_margin: of the parent, logit units; counterfactuals only.
        subtlety: how the text was asked to show what it tells of, see `SUBTLETIES`; texts asked for in a chat only.
    """

    source: str = "pool"
    parents: tuple[str, ...] = ()
    prompt_hash: str | None = None
    language_model: str | None = None
    seed: int | None = None
    lm_tokens: int = 0
    classifier_texts: int | None = None
    similarity: float | None = None
    words_changed: int | None = None
    parent_margin: float | None = None
    subtlety: str | None = None

    @property
    def is_made(self) -> bool:
        """Whether a language model wrote the text."""
        return self.source not in GIVEN

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Provenance:
        """The provenance whose `asdict` went through JSON."""
        return cls(**dict(values) | {"parents": tuple(values["parents"])})
