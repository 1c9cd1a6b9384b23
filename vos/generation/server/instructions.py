"""Instructions for requesting a text in a chat, and removal of additions from its answer."""

from __future__ import annotations

import re

LABEL = re.compile(r"^(?:[-*•]\s+|\d+[.)]\s+|(?:text|note|answer|continuation)\s*:\s+)", re.IGNORECASE)
"""Prefixes of an answer before the text."""

QUOTES = {'"': '"', "“": "”", "«": "»"}


def continuation(prompt: str, text: str) -> str:
    """An instruction to continue a prompt of examples and the beginning of a further text."""
    examples = prompt.rstrip("- \n")
    asked = (
        "Here are short texts of one kind, one on each line:\n\n"
        f"{examples}\n\n"
        "Write one more text of the same kind, on one line, about something new. "
    )
    if not text:
        return f"{asked}Write the text alone, no introduction, no quotation marks."
    return (
        f"{asked}It begins with these words:\n\n{text}\n\n"
        "Write only what comes after these words, up to the end of the text. Do not repeat them."
    )


def without_echo(text: str, answer: str) -> str:
    """The continuation in an answer, without list marks, quotation marks and a repeated beginning.

    Example:
        >>> without_echo("He fell", "He fell off the roof.")
        ' off the roof.'
        >>> without_echo("", '- "He fell."')
        'He fell.'
        >>> without_echo("He fell off the", "He fell")
        ''
    """
    answer = LABEL.sub("", answer.strip())
    if answer[:1] in QUOTES:
        closing = QUOTES[answer[0]]
        answer = answer[1:-1] if answer.endswith(closing) else answer[1:]
    if not text:
        return answer
    plain, begun = answer.casefold(), text.casefold()
    if plain.startswith(begun):
        answer = answer[len(text) :]
    elif begun.startswith(plain):
        return ""
    answer = answer.removeprefix("...").removeprefix("…")
    return answer if answer[:1] in (" ", ",", ".", ";", "!", "?", "'", "\u2019") else f" {answer}"
