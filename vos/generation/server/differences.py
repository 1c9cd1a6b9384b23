"""What tells two groups of texts apart, in sentences that a model behind a server proposes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vos.errors import ConfigError
from vos.generation.server.client import ServerClient
from vos.generation.server.instructions import without_echo

SENTENCES = 5

MAX_TOKENS = 200

LONGEST = 600
"""Characters of a text that are shown."""


def describe_over_server(
    client: ServerClient, texts_a: Sequence[str], texts_b: Sequence[str], seed: int = 0
) -> list[str]:
    """Sentences that are proposed to be true of the first texts more often than of the second.

    They are guesses: whoever shows them tests them on other texts first. A server without chat continues a list.

    Args:
        client: see `ServerClient`.
        texts_a: the texts that are described, some ten to thirty.
        texts_b: those that they are compared with.
        seed: of sampling.

    Returns:
        At most `SENTENCES` different sentences, without list marks.

    Raises:
        ConfigError: a group is empty.
        ServerError: the server failed.
    """
    if not texts_a or not texts_b:
        raise ConfigError(f"expected texts in both groups, got {len(texts_a)} and {len(texts_b)}")
    chat = client.abilities.chat
    prompt = (
        f"Group A:\n{_lines(texts_a)}\n\nGroup B:\n{_lines(texts_b)}\n\n"
        f"In up to {SENTENCES} short sentences, one on each line, say what is true of the texts of group A more often "
        'than of those of group B. Each sentence begins with "The text" and can be checked on one text alone.'
    )
    (answer,) = client.complete(prompt if chat else f"{prompt}\n- The text", 1, MAX_TOKENS, 0.7, (), seed, chat=chat)
    lines = (answer.text if chat else f"The text{answer.text}").splitlines()
    sentences = [" ".join(without_echo("", line).split()) for line in lines]
    # An introduction and a cut end are no sentences.
    whole = [each for each in sentences if re.match(r"the text\b", each, re.IGNORECASE) and each.endswith((".", "!"))]
    return list(dict.fromkeys(whole))[:SENTENCES]


def _lines(texts: Sequence[str]) -> str:
    return "\n".join(f"- {' '.join(text.split())[:LONGEST]}" for text in texts)
