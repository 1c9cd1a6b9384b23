"""Instructions for people: the question, and the guidelines for answering it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vos.data.settings import LONGEST_QUESTION, check_question
from vos.errors import ConfigError

ENDINGS = (".md", ".markdown", ".txt")
"""Endings of a file of guidelines."""

LONGEST_GUIDELINES = 100_000
"""Characters."""

NAMED = 5
"""Largest number of classes that a neutral question names; more are only shown on the buttons."""


@dataclass(frozen=True, slots=True)
class Instructions:
    """Question and guidelines for people.

    Attributes:
        question: question next to the answers.
        guidelines: definition of the classes, plain text; "" if there is none.
    """

    question: str
    guidelines: str = ""


@dataclass(frozen=True)
class InstructionSettings:
    """The question of a batch, and its guidelines.

    Attributes:
        question: question on each text; None: that of the data (`data.question`), or one that names the classes.
        guidelines: definition of the classes: a text, or the path of a file that ends in .md, .markdown or .txt, shown
            as plain text; None: those of the data, if the question is also theirs.
    """

    question: str | None = None
    guidelines: str | None = None

    def __post_init__(self) -> None:
        check_question("labeling.settings.question", self.question)
        read_guidelines(self.guidelines or "")

    def instructions(self, own: Instructions) -> Instructions:
        """The instructions to use, given those of the data, whose guidelines do not apply to another question.

        Example:
            >>> data = Instructions("Is somebody hurt?", "A near miss is harmless.")
            >>> InstructionSettings(question="Is it rude?").instructions(data)
            Instructions(question='Is it rude?', guidelines='')
            >>> InstructionSettings(guidelines="A bruise is harm.").instructions(data)
            Instructions(question='Is somebody hurt?', guidelines='A bruise is harm.')
        """
        question = own.question if self.question is None else self.question
        guidelines = own.guidelines if question == own.question else ""
        return Instructions(question, guidelines if self.guidelines is None else read_guidelines(self.guidelines))


def read_guidelines(given: str) -> str:
    """The guidelines: the given text, or the content of the file with this path.

    Raises:
        ConfigError: no such file, not UTF-8, or too long.

    Example:
        >>> read_guidelines("A near miss is harmless.")
        'A near miss is harmless.'
        >>> read_guidelines("nowhere.md")
        Traceback (most recent call last):
        vos.errors.ConfigError: labeling.settings.guidelines=nowhere.md: expected a file of text in UTF-8, found none \
there
    """
    if "\n" not in given and given.casefold().endswith(ENDINGS):
        place = f"labeling.settings.guidelines={given}: expected a file of text in UTF-8"
        try:
            given = Path(given).read_text(encoding="utf-8-sig")
        except FileNotFoundError as error:
            raise ConfigError(f"{place}, found none there") from error
        except (OSError, ValueError) as error:
            raise ConfigError(f"{place}, got: {error}") from error
    if len(given) > LONGEST_GUIDELINES:
        raise ConfigError(
            f"labeling.settings.guidelines: expected at most {LONGEST_GUIDELINES} characters, got {len(given)}"
        )
    return given.strip()


def neutral_question(titles: Sequence[str]) -> str:
    """A question that only names the classes, for data without their own question.

    Example:
        >>> neutral_question(["Hate", "Offensive", "Neither"])
        'Which fits this text best: “Hate”, “Offensive” or “Neither”?'
        >>> neutral_question([str(number) for number in range(12)])
        'Which of these 12 classes fits this text best?'
    """
    if len(titles) > NAMED or sum(map(len, titles)) > LONGEST_QUESTION // 3:
        return f"Which of these {len(titles)} classes fits this text best?"
    *first, last = [f"“{title}”" for title in titles]
    return f"Which fits this text best: {', '.join(first)} or {last}?"


def changes(asked: Mapping[str, Sequence[Instructions]], batches: Collection[str]) -> list[str]:
    """Warnings if answers follow different questions or guidelines, one sentence per change.

    Args:
        asked: the instructions of every batch, earlier batches and versions first, see `Ledger.instructions`.
        batches: batches with answers.

    Example:
        >>> old, new = Instructions("Is somebody hurt?"), Instructions("Is it rude?")
        >>> changes({"r00-a": [old], "r01-b": [new], "r02-c": [new]}, {"r00-a", "r02-c"})
        ["batch r02-c asked 'Is it rude?', batch r00-a before it 'Is somebody hurt?': their answers do not mean the \
same"]
    """
    said, before = [], None
    for batch, versions in asked.items():
        if batch not in batches:
            continue
        if len(versions) > 1:
            what = _what(versions[0], versions[-1])
            said.append(f"batch {batch} was sent again with another {what}: its answers may follow either")
        if before is not None and (earlier := asked[before][-1]) != versions[-1]:
            same = "their answers do not mean the same"
            if earlier.question != versions[-1].question:
                question, old = versions[-1].question, earlier.question
                said.append(f"batch {batch} asked {question!r}, batch {before} before it {old!r}: {same}")
            else:
                said.append(f"batch {batch} had other guidelines than batch {before} before it: {same}")
        before = batch
    return said


def _what(old: Instructions, new: Instructions) -> str:
    return "question" if old.question != new.question else "text of guidelines"
