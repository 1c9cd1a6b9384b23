"""What each word of a text does to its margin: the effect of deleting it, or integrated gradients where it is long."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor

from vos.interpret.gradients import GradientReader
from vos.interpret.margins import MarginReader
from vos.interpret.words import Word, by_word, split_words, without

LONG = 60
"""Words beyond which integrated gradients cost less than deleting word after word."""

CHUNK = 4096
"""Edited texts that are read in one call: memory stays flat, and texts of like length still meet."""

Method = Literal["deletion", "integrated_gradients"]


@dataclass(frozen=True)
class Saliency:
    """Signed effects of the words of one text.

    Attributes:
        words: k of the text, in their order, those that the classifier reads.
        values: (k,) float64, in logit units; positive: the word is on the harmful side. By deletion, the margin of the
            text less the margin without the word *wherever it stands*, so that every copy has the same value and the
            values of copies are not to be added up. By integrated gradients, what that copy adds.
        method: how they were found.
        margin: of the text, see `own_margin`.
        gap: part of the margin that integrated gradients leave unexplained, 0 by deletion.
    """

    words: tuple[Word, ...]
    values: NDArray[np.float64]
    method: Method
    margin: float
    gap: float = 0.0


def saliency(
    read: MarginReader,
    texts: Sequence[str],
    gradients: GradientReader | None = None,
    long: int = LONG,
    baseline: Tensor | None = None,
    told: Callable[[int], None] = lambda _: None,
) -> list[Saliency | None]:
    """Signed saliency of the words of each text.

    Where no class is harmful, a margin is that of the class predicted for the text against the best of the others.

    Args:
        read: see `MarginReader`.
        texts: n of them.
        gradients: of the same classifier, for texts of more than `long` words; None leaves these out.
        long: see above.
        baseline: where the path of integrated gradients begins, see `GradientReader.mean_embedding`; None: that of all
            the texts.
        told: called with how many more texts are done.

    Returns:
        For each text its saliency; None for one too long where there are no gradients.
    """
    found: list[Saliency | None] = [None] * len(texts)
    words = [split_words(text) for text in texts]
    short = [i for i, each in enumerate(words) if len(each) <= long]
    for rows in _chunks(short, [len(words[i]) + 1 for i in short]):
        for i, each in zip(rows, deletion(read, [texts[i] for i in rows]), strict=True):
            found[i] = each
        told(len(rows))
    longer = [i for i, each in enumerate(words) if len(each) > long] if gradients is not None else []
    if gradients is not None and longer:
        start = gradients.mean_embedding(texts) if baseline is None else baseline
        for row, each in integrated(gradients, [texts[i] for i in longer], start):
            found[longer[row]] = each
            told(1)
    return found


def deletion(read: MarginReader, texts: Sequence[str]) -> list[Saliency]:
    """Effects of deleting each word, all its copies at once: one copy that stays would hide what both do.

    Example: of a margin that adds up what each word weighs, the effect of a word is its weight times its copies.
    """
    edited, places = list(texts), []
    for text in texts:
        words = split_words(text)
        copies: dict[str, list[tuple[int, int]]] = {}
        for word in words:
            copies.setdefault(word.text, []).append((word.start, word.end))
        kinds = list(copies)
        places.append((words, [len(edited) + kinds.index(word.text) for word in words]))
        edited += [without(text, spans) for spans in copies.values()]
    of = [i for i, (_, rows) in enumerate(places) for _ in sorted(set(rows))]
    own = read.own(texts)
    margins = read(edited, None if own is None else np.concatenate([own, own[of]]).astype(np.int64))
    return [
        Saliency(tuple(words), margins[i] - margins[rows] if rows else np.zeros(0), "deletion", float(margins[i]))
        for i, (words, rows) in enumerate(places)
    ]


def integrated(
    gradients: GradientReader, texts: Sequence[str], baseline: Tensor | None = None
) -> Iterator[tuple[int, Saliency]]:
    """Integrated gradients summed to words, with the row of each text; words behind the cut of a text are left out."""
    for found in gradients.integrated(texts, baseline=baseline):
        words = split_words(texts[found.row])
        values = by_word(words, found.spans, found.values)
        read = np.flatnonzero(~np.isnan(values))
        kept = tuple(words[i] for i in read)
        yield found.row, Saliency(kept, values[read], "integrated_gradients", found.margin, found.gap)


class DeletionFlips(NamedTuple):
    """Do the words that carry the most keep a text on its side?

    Attributes:
        n: texts that were tried.
        top: share that changes sides when the words that support the side most are deleted.
        random: share that does when as many random words are.
    """

    n: int
    top: float
    random: float


def deletion_flips(
    read: MarginReader,
    texts: Sequence[str],
    found: Sequence[Saliency],
    rng: np.random.Generator,
    n_words: int = 3,
    draws: int = 4,
) -> DeletionFlips:
    """Delete the words that support a text's side most, and random ones instead; all copies of each.

    Args:
        read: see `MarginReader`.
        texts: n of them.
        found: their saliency.
        rng: draws the random words.
        n_words: different words that are deleted; texts of no more are left out.
        draws: random sets of words for each text.
    """
    edited, of = [], []
    for i, (text, each) in enumerate(zip(texts, found, strict=True)):
        kinds = list(dict.fromkeys(word.text for word in each.words))
        if len(kinds) <= n_words:
            continue
        support = -each.values if np.signbit(each.margin) else each.values
        order = dict.fromkeys(each.words[place].text for place in np.argsort(-support, kind="stable"))
        sets = [list(order)[:n_words]] + [list(rng.choice(kinds, n_words, replace=False)) for _ in range(draws)]
        edited += [without(text, [(w.start, w.end) for w in each.words if w.text in drawn]) for drawn in sets]
        of.append(i)
    if not of:
        return DeletionFlips(0, np.nan, np.nan)
    rows = np.repeat(of, 1 + draws)
    own = read.own(texts)
    before = np.array([np.signbit(found[i].margin) for i in of])
    after = np.signbit(read(edited, None if own is None else own[rows])).reshape(len(of), 1 + draws)
    flipped = after != before[:, None]
    return DeletionFlips(len(of), float(flipped[:, 0].mean()), float(flipped[:, 1:].mean()))


def agreement(first: Sequence[Saliency], second: Sequence[Saliency]) -> float:
    """Mean rank correlation of two saliencies of the same texts over their different words.

    What integrated gradients give the copies of a word is added up, as deletion takes them together.

    Returns:
        NaN where no text has three words whose values differ.
    """
    found = []
    for one, other in zip(first, second, strict=True):
        values, others = _by_kind(one), _by_kind(other)
        pairs = np.array([(values[word], others[word]) for word in values if word in others]).reshape(-1, 2)
        if len(pairs) > 2 and (np.ptp(pairs, axis=0) > 0).all():
            found.append(float(spearmanr(pairs[:, 0], pairs[:, 1]).statistic))
    return float(np.mean(found)) if found else float("nan")


def _by_kind(each: Saliency) -> dict[str, float]:
    found: dict[str, float] = {}
    for word, value in zip(each.words, each.values, strict=True):
        before = found.get(word.text, 0.0) if each.method == "integrated_gradients" else 0.0
        found[word.text] = before + float(value)
    return found


def _chunks(rows: Sequence[int], sizes: Sequence[int]) -> Iterator[list[int]]:
    """Rows in their order, as many at a time as `CHUNK` readings allow."""
    part: list[int] = []
    total = 0
    for row, size in zip(rows, sizes, strict=True):
        if part and total + size > CHUNK:
            yield part
            part, total = [], 0
        part.append(row)
        total += size
    if part:
        yield part
