"""Requests to a model that follows instructions: examples of both sides, the margin in words, and the subtlety.

A request guarantees nothing: the side of the resulting text is determined by the classifier, its label by people.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vos.errors import ConfigError
from vos.metrics.margins import on_harmful_side

SUBTLETIES: Mapping[str, tuple[str, str]] = {
    "named": (
        "Say in plain words what happens.",
        "Use words that often stand in texts of the other kind, but in an innocent sense.",
    ),
    "result": (
        "Do not say what happens; tell only of its result, from which a reader knows.",
        "Tell of a result that looks like one of the other kind, and make its innocent cause plain.",
    ),
    "trace": (
        "Say neither what happens nor its result; tell of one small trace from which an attentive reader infers it.",
        "Tell of one small trace that could alarm a reader, with an everyday reason in the same text.",
    ),
    "omission": (
        "Leave the decisive thing out; a reader infers it from what somebody does not do, or what is missing.",
        "Leave something out that a reader may wonder about, and let the rest show that nothing is the matter.",
    ),
}
"""Levels of subtlety of a text, with the wording of the request for the harmful side and for the other."""

MARGINS = (
    (0.5, "so near the line that two careful readers could disagree"),
    (1.5, "near the line, though most readers would agree"),
)
"""Logit units from the boundary, and how they are told."""

DISTANCES = ((0.6, "much like the examples in subject"), (1.0, "of the same kind as the examples, in another scene"))
"""Units of the space to the nearest real text, and how they are told."""


@dataclass(frozen=True)
class InstructionSettings:
    """Requests to a model that follows instructions; other models only continue beginnings.

    Attributes:
        per_target: number of texts requested per target before any draft, with the subtleties in turn; 0: none.
        subtleties: see `SUBTLETIES`.
        harmful: description of the texts of the harmful side, as in "texts that are ...".
        harmless: the same for the other side.
        temperature: sampling temperature of these texts; drafts have their own.
    """

    per_target: int = 8
    subtleties: tuple[str, ...] = ("named", "result", "trace", "omission")
    harmful: str = "about harm to a person"
    harmless: str = "not about harm to a person"
    temperature: float = 0.9

    def __post_init__(self) -> None:
        unknown = [each for each in self.subtleties if each not in SUBTLETIES]
        if unknown or not self.subtleties:
            raise ConfigError(
                f"instructions.subtleties: expected some of {', '.join(SUBTLETIES)}, got {self.subtleties}"
            )
        if self.per_target < 0 or self.temperature <= 0 or not self.harmful.strip() or not self.harmless.strip():
            raise ConfigError(
                "instructions: expected per_target >= 0, temperature > 0, and harmful and harmless in words, got "
                f"{self.per_target}, {self.temperature}, {self.harmful!r}, {self.harmless!r}"
            )

    def wishes(self) -> list[str]:
        """The subtlety of each text that is asked for a target."""
        return [self.subtleties[i % len(self.subtleties)] for i in range(self.per_target)]

    def kind(self, *, harmful: bool) -> str:
        """What the texts of a side are."""
        return self.harmful if harmful else self.harmless


@dataclass(frozen=True)
class Examples:
    """Labelled texts near a target, of both sides.

    Attributes:
        harmful: texts labelled so.
        harmless: texts labelled otherwise.
    """

    harmful: tuple[str, ...]
    harmless: tuple[str, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """Those of both sides."""
        return (*self.harmful, *self.harmless)

    @property
    def words(self) -> int:
        """Of the median example."""
        lengths = sorted(len(text.split()) for text in self.texts)
        return lengths[len(lengths) // 2]


def request(
    examples: Examples, margin: float, distance: float | None, subtlety: str, settings: InstructionSettings
) -> str:
    """The instruction for one target and one subtlety.

    Args:
        examples: neighbours of the target, at least one; a side without any is not listed.
        margin: the requested margin, logit units; its sign is the side, also that of a zero.
        distance: distance of the target to the nearest real text in units of the space; None if unknown.
        subtlety: one of `SUBTLETIES`.
        settings: see `InstructionSettings`.
    """
    harmful = on_harmful_side(margin)
    how = SUBTLETIES[subtlety][0 if harmful else 1]
    return (
        f"{_listed(examples, settings)}\n\n"
        f"Write one new text that is {settings.kind(harmful=harmful)}, {_told(abs(margin), MARGINS, 'clearly so')}. "
        f"It is {_told(distance, DISTANCES, 'in another setting than the examples')}, written in the same style, about "
        f"{examples.words} words long. {how} Copy no example. Use no names of real people.\n"
        "Answer with the text alone, on one line."
    )


def changed(text: str, settings: InstructionSettings, *, harmful: bool) -> str:
    """The instruction to flip the label of a text: the same scene with one fact changed.

    Args:
        text: a real one.
        settings: see `InstructionSettings`.
        harmful: whether the text is to become harmful.
    """
    return (
        f"This text is {settings.kind(harmful=not harmful)}:\n\n{text}\n\n"
        "Write it again: the same scene, the same people, the same words wherever they can stay. Change one fact, with "
        f"as few words as possible, so that the text is {settings.kind(harmful=harmful)}.\n"
        "Answer with the new text alone, on one line."
    )


def prompt_hash(instruction: str) -> str:
    """SHA-256 (hex, first 16 characters) of an instruction, as a prompt has it."""
    return hashlib.sha256(instruction.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def asked_and_reached(asked: Sequence[str], reached: Sequence[str | None]) -> dict[str, Any]:
    """How often texts have the requested subtlety, judged by readers or an oracle.

    Args:
        asked: requested subtlety of each text.
        reached: subtlety as judged; None if nobody judged it.

    Returns:
        The number of texts read, the table of both, the share that agrees, and the share that would agree by chance.

    Example:
        >>> asked_and_reached(["named", "trace"], ["named", "result"])["agree"]
        0.5
    """
    pairs = [(a, r) for a, r in zip(asked, reached, strict=True) if r is not None]
    table: dict[str, dict[str, int]] = {}
    for (wish, read), n in sorted(Counter(pairs).items()):
        table.setdefault(wish, {})[read] = n
    if not pairs:
        return {"read": 0, "table": table}
    wishes, found = Counter(a for a, _ in pairs), Counter(r for _, r in pairs)
    chance = sum(wishes[name] * found[name] for name in wishes) / len(pairs) ** 2
    agree = sum(a == r for a, r in pairs) / len(pairs)
    return {"read": len(pairs), "table": table, "agree": agree, "agree_by_chance": chance}


def _listed(examples: Examples, settings: InstructionSettings) -> str:
    parts = []
    for texts, harmful in ((examples.harmful, True), (examples.harmless, False)):
        if not texts:
            continue
        lines = "\n".join(f"- {text}" for text in texts)
        parts.append(f"Texts that are {settings.kind(harmful=harmful)}:\n{lines}")
    return "\n\n".join(parts)


def _told(value: float | None, steps: Sequence[tuple[float, str]], beyond: str) -> str:
    if value is None:
        return beyond
    return next((words for most, words in steps if value <= most), beyond)
