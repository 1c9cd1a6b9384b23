"""Sentences on the difference of two groups of texts, proposed and judged by a model behind a server."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vos.errors import ConfigError
from vos.generation.server.client import ServerClient
from vos.generation.server.instructions import without_echo
from vos.generation.server.replies import CompletionRequest

SENTENCES = 5

MAX_TOKENS = 200

LONGEST = 600
"""Largest number of characters of a text that is shown."""

VERDICT_TOKENS = 4

VERDICTS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
"""Value of an answer by its first word; any other word means undecided."""

OPEN = 0.5


def describe_over_server(
    client: ServerClient, texts_a: Sequence[str], texts_b: Sequence[str], seed: int = 0
) -> list[str]:
    """Sentences proposed to be true of the first texts more often than of the second.

    They are hypotheses, to be tested on other texts before they are shown. A server without chat continues a list.

    Args:
        client: see `ServerClient`.
        texts_a: the texts to describe, about ten to thirty.
        texts_b: the texts to compare with.
        seed: seed of sampling.

    Returns:
        At most `SENTENCES` different sentences, without list marks.

    Raises:
        ConfigError: a group is empty.
        ServerError: the server failed.
    """
    if not texts_a or not texts_b:
        raise ConfigError(f"expected texts in both groups, got {len(texts_a)} and {len(texts_b)}")
    chat = client.abilities.chat is not None
    prompt = (
        f"Group A:\n{_lines(texts_a)}\n\nGroup B:\n{_lines(texts_b)}\n\n"
        f"In up to {SENTENCES} short sentences, one on each line, say what is true of the texts of group A more often "
        'than of those of group B. Each sentence begins with "The text" and can be checked on one text alone.'
    )
    (answer,) = client.complete(prompt if chat else f"{prompt}\n- The text", 1, MAX_TOKENS, 0.7, (), seed, chat=chat)
    lines = (answer.text if chat else f"The text{answer.text}").splitlines()
    sentences = [" ".join(without_echo("", line).split()) for line in lines]
    # An introduction and a truncated end are not sentences.
    whole = [each for each in sentences if re.match(r"the text\b", each, re.IGNORECASE) and each.endswith((".", "!"))]
    return list(dict.fromkeys(whole))[:SENTENCES]


def _lines(texts: Sequence[str]) -> str:
    return "\n".join(f"- {_shown(text)}" for text in texts)


@dataclass(frozen=True)
class ServedDescriber:
    """A model behind a server that writes sentences about two sets of texts, and judges them for each text.

    Implements `vos.interpret.describe.Describer` and `Judge`. A model that judges its own sentences may favour them;
    it is not told to which set a text belongs, so it cannot favour a set.

    Attributes:
        client: see `ServerClient`.
        seed: seed of sampling.
    """

    client: ServerClient
    seed: int = 0

    def describe(self, texts_a: Sequence[str], texts_b: Sequence[str]) -> list[str]:
        """See `describe_over_server`."""
        return describe_over_server(self.client, texts_a, texts_b, self.seed)

    def holds(self, sentence: str, texts: Sequence[str]) -> list[float]:
        """For each text, 1 if the model answers that the sentence is true of it, 0 if not, 0.5 if undecided.

        Raises:
            ServerError: the server failed.
        """
        chat = self.client.abilities.chat is not None
        question = "Is the statement true of the text? Answer with one word, yes or no."
        prompts = [f"Text:\n{_shown(text)}\n\nStatement: {sentence}\n\n{question}" for text in texts]
        replies = self.client.complete_all(
            [
                CompletionRequest(
                    prompt if chat else f"{prompt}\nAnswer:", 1, VERDICT_TOKENS, 0.0, (), self.seed, chat=chat
                )
                for prompt in prompts
            ]
        )
        return [_verdict(reply.completions[0].text) for reply in replies]


def _verdict(answer: str) -> float:
    word = re.search(r"[a-z]+", answer.casefold())
    return VERDICTS.get(word[0], OPEN) if word else OPEN


def _shown(text: str) -> str:
    return " ".join(text.split())[:LONGEST]
