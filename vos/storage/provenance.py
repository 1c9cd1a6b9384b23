"""The provenance of a text: set when it is found or written, stored in its record, checked by verification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

GIVEN = ("pool", "labelled")
"""Sources of texts that no language model wrote, see `Provenance`."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a text comes from and what it cost; enough to reproduce a made text.

    Attributes:
        source: "pool" (unlabelled texts) or "labelled" (a known answer); for made texts "lm" (plain sample), "smc"
            (sequential Monte Carlo and moves from its particles), "prefix_conditioned" (from a real text),
            "instructed" (requested in a chat) or "counterfactual" (a training text changed until its prediction flips).
        parents: ids of the real texts that a made text descends from: the examples in its prompt, then the start of
            its chain.
        prompt_hash: hash of the prompt of a made text.
        language_model: fingerprint of the language model that wrote it.
        seed: seed that produced the text; for texts of the pool, the seed of the synthesis. None if unknown.
        lm_tokens: number of tokens sampled for the target until the text was found.
        classifier_texts: number of texts and prefixes that the classifier read for the target until the text was found;
            1 for a text of the pool. None if unknown.
        similarity: edit similarity of a made text to the nearest known text.
        words_changed: number of words inserted, deleted or replaced in the parent; counterfactuals only.
        parent_margin: margin of the parent, logit units; counterfactuals only.
        subtlety: how openly the text was requested to show its topic, see `SUBTLETIES`; only for texts requested in a
            chat.
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
        """The provenance from its `asdict`, read from JSON."""
        return cls(**dict(values) | {"parents": tuple(values["parents"])})
