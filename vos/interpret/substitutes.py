"""Substitutes for a token: nearest neighbours in the input embeddings, or predictions of a masked-LM head."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from vos.interpret.activations import TAKEN_OUT, Row
from vos.interpret.pruning import Asking, Pruned

Array = NDArray[np.float64]


class Proposer(Protocol):
    """Proposes substitutes at positions of a row."""

    def __call__(self, row: Row, places: Sequence[int]) -> list[list[int]]:
        """For each position, token ids other than the present one, most likely first."""
        raise NotImplementedError


class NearestTokens:
    """The nearest tokens of the vocabulary by the cosine of centred input embeddings.

    Use the embeddings before training on the task: training makes tokens with the same label similar, not tokens with
    the same meaning.

    Args:
        embeddings: (V, e).
        allowed: token ids that may be proposed, see `whole_words`.
        n: number of proposals per token.
    """

    def __init__(self, embeddings: NDArray[Any], allowed: Iterable[int], n: int = 8) -> None:
        self.n = n
        self._allowed = np.array(sorted(set(allowed)), dtype=np.int64)
        centred = embeddings.astype(np.float32) - embeddings.mean(0, dtype=np.float64).astype(np.float32)
        self._unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
        self._known: dict[int, list[int]] = {}

    def __call__(self, row: Row, places: Sequence[int]) -> list[list[int]]:
        """See `Proposer`; the other words of the row are ignored."""
        return [self._nearest(row[place]) for place in places]

    def _nearest(self, token: int) -> list[int]:
        if token not in self._known:
            cosine = self._unit[self._allowed] @ self._unit[token]
            best = self._allowed[np.argsort(-cosine, kind="stable")[: self.n + 1]]
            self._known[token] = [int(each) for each in best if each != token][: self.n]
        return self._known[token]


class MaskedLanguageModel:
    """Predictions of a model's masked-language-model head at a masked position.

    Args:
        logits: maps (b, t) token ids, special ones included, to logits (b, t, V).
        first: special tokens before a text.
        last: special tokens after it.
        mask: the mask token.
        allowed: see `NearestTokens`.
        n: number of proposals per position.
    """

    def __init__(
        self,
        logits: Callable[[torch.Tensor], torch.Tensor],
        first: Sequence[int],
        last: Sequence[int],
        mask: int,
        allowed: Iterable[int],
        n: int = 8,
    ) -> None:
        self.logits, self.first, self.last, self.mask, self.n = logits, list(first), list(last), mask, n
        self._allowed = torch.tensor(sorted(set(allowed)), dtype=torch.int64)

    @torch.no_grad()
    def __call__(self, row: Row, places: Sequence[int]) -> list[list[int]]:
        """See `Proposer`."""
        rows = []
        for place in places:
            text = [self.mask if i == place or token == TAKEN_OUT else token for i, token in enumerate(row)]
            rows.append([*self.first, *text, *self.last])
        if not rows:
            return []
        found = self.logits(torch.tensor(rows))
        proposed = []
        for i, place in enumerate(places):
            scores = found[i, len(self.first) + place, self._allowed]
            best = self._allowed[scores.argsort(descending=True, stable=True)[: self.n + 1]].tolist()
            proposed.append([token for token in best if token != row[place]][: self.n])
        return proposed


def whole_words(tokenizer: Any) -> list[int]:
    """Ids of the tokens that are a whole word of letters."""
    special = set(tokenizer.all_special_ids)
    pieces = tokenizer.get_vocab()
    spaced = any(piece.startswith(("Ġ", "▁")) for piece in pieces)
    words = []
    for piece, token in pieces.items():
        body = piece[1:] if spaced and piece.startswith(("Ġ", "▁")) else piece
        begins = body != piece if spaced else not piece.startswith("##")
        if begins and token not in special and len(body) > 1 and body.isalpha():
            words.append(token)
    return sorted(words)


def substitutes(pruned: Pruned, propose: Proposer) -> Asking[list[list[tuple[int, float]]]]:
    """For each kept position, the possible substitutes and the share of the value that they leave, at most 1.

    A substitute is kept if half of the pruned text's value is left. To be run by `run_together`.
    """
    proposed = propose(pruned.row, pruned.kept)
    left = pruned.left
    tried = [(slot, token) for slot, tokens in enumerate(proposed) for token in tokens]
    rows = []
    for slot, token in tried:
        place = pruned.kept[slot]
        rows.append((*left[:place], token, *left[place + 1 :]))
    values = (yield rows) if rows else np.zeros(0, np.float32)
    found: list[list[tuple[int, float]]] = [[] for _ in pruned.kept]
    for (slot, token), value in zip(tried, values.tolist(), strict=True):
        if 0 < pruned.value <= 2 * value:
            found[slot].append((token, min(1.0, value / pruned.value)))
    return found
