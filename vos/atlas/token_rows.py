"""Tokens of the model as the page names them, and the texts in which the model reads each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from vos.atlas.page_data import gaps
from vos.interpret.token_graphs import token_rows

CONTINUES = "##"
"""Stands before a token that begins with a letter or digit and follows the one before it without a space."""

UNREADABLE = "\ufffd"
"""In the text of a token that is a part of a character."""


class TokenRows:
    """Names of tokens, and the rows of the texts that have each.

    A name is readable and tells whether the token begins a word, whatever the tokenizer writes: "##s" is the piece of a
    word, "s" the letter alone. Texts are looked up by token ids, not by letters: a text that holds "boys" has the token
    "boy" only if the model reads it as "boy" and "##s".

    Args:
        tokenizer: of the classifier.
        texts: n texts.
        max_length: largest number of tokens that the classifier reads of a text.
    """

    def __init__(self, tokenizer: Any, texts: Sequence[str], max_length: int) -> None:
        self._tokenizer = tokenizer
        self._spaced = any(piece.startswith(("Ġ", "▁")) for piece in tokenizer.get_vocab())
        self._names: dict[int, str] = {}
        self._rows: dict[str, list[int]] = {}
        for i, row in enumerate(token_rows(tokenizer, texts, max_length)):
            for name in {self.name(token) for token in row}:
                self._rows.setdefault(name, []).append(i)

    def name(self, token: int) -> str:
        """The name of a token."""
        token = int(token)  # also of numpy
        if token not in self._names:
            self._names[token] = self._named(token)
        return self._names[token]

    def _named(self, token: int) -> str:
        piece = str(self._tokenizer.convert_ids_to_tokens(token))
        text = str(self._tokenizer.decode([token])).strip()
        if not text or UNREADABLE in text:
            return piece
        continues = self._spaced and not piece.startswith(("Ġ", "▁")) and text[0].isalnum()
        return CONTINUES + text if continues else text

    def of(self, names: Iterable[str]) -> dict[str, list[int]]:
        """The rows of the texts that have each named token, as `gaps`; tokens that no text has are left out."""
        return {name: gaps(self._rows[name]) for name in sorted(set(names)) if name in self._rows}
