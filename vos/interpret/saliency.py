"""Effect of each word of a text on its margin: by deletion, or by integrated gradients for long texts."""

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
from vos.interpret.windows import read_words, windows
from vos.interpret.words import Word, by_word, split_words, without

LONG = 60
"""Number of words above which integrated gradients are cheaper than deleting each word."""

CHUNK = 4096
"""Number of edited texts per call; bounds the memory, and still groups texts of similar length."""

Method = Literal["deletion", "integrated_gradients"]


@dataclass(frozen=True)
class Saliency:
    """Signed effects of the words of one text.

    Attributes:
        words: the k words of the text that the classifier reads, in order.
        values: (k,) float64, in logit units; positive: the word is on the harmful side. By deletion, the margin of the
            text minus the margin without *all occurrences* of the word, so that all occurrences have the same value and
            must not be added up. By integrated gradients, the contribution of that occurrence.
        method: how the values were computed.
        margin: margin of the text, see `own_margin`.
        gap: part of the margin that integrated gradients leave unexplained; 0 for deletion.
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

    If no class is harmful, the margin is that of the predicted class against the largest of the others.

    Args:
        read: see `MarginReader`.
        texts: n texts.
        gradients: gradient reader of the same classifier, for texts of more than `long` words; None: these are left
            out.
        long: see `LONG`.
        baseline: start of the path of integrated gradients, see `GradientReader.mean_embedding`; None: that of all the
            texts.
        told: called with the number of further texts done.

    Returns:
        The saliency of each text; None for a long text if there are no gradients.
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
    """Effects of deleting each word with all its occurrences: a remaining occurrence would hide the effect of both.

    Words of a truncated part are left out.

    Example: for a margin that is a sum of word weights, the effect of a word is its weight times its occurrences.
    """
    edited, places = list(texts), []
    for text, window in zip(texts, windows(read.classifier, texts), strict=True):
        every = split_words(text)
        words = [every[i] for i in read_words(text, window)]
        copies: dict[str, list[tuple[int, int]]] = {word.text: [] for word in words}
        for word in every:
            if word.text in copies:
                copies[word.text].append((word.start, word.end))
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
    """Integrated gradients summed to words, with the row of each text; words of a truncated part are left out."""
    for found in gradients.integrated(texts, baseline=baseline):
        words = split_words(texts[found.row])
        values = by_word(words, found.spans, found.values)
        read = np.flatnonzero(~np.isnan(values))
        kept = tuple(words[i] for i in read)
        yield found.row, Saliency(kept, values[read], "integrated_gradients", found.margin, found.gap)


class DeletionFlips(NamedTuple):
    """Whether the words with the largest effect keep a text on its side.

    Attributes:
        n: number of tested texts.
        top: share that changes sides when the words that support the side most are deleted.
        random: share that changes sides when equally many random words are deleted.
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
    """Delete the words that support a text's side most, and random ones for comparison; all occurrences of each.

    Args:
        read: see `MarginReader`.
        texts: n texts.
        found: their saliency.
        rng: random generator of the random words.
        n_words: number of distinct deleted words; texts with no more than these are left out.
        draws: number of random word sets per text.
    """
    edited, of = [], []
    for i, (text, each) in enumerate(zip(texts, found, strict=True)):
        kinds = list(dict.fromkeys(word.text for word in each.words))
        if len(kinds) <= n_words:
            continue
        support = -each.values if np.signbit(each.margin) else each.values
        order = dict.fromkeys(each.words[place].text for place in np.argsort(-support, kind="stable"))
        sets = [list(order)[:n_words]] + [list(rng.choice(kinds, n_words, replace=False)) for _ in range(draws)]
        edited += [without(text, [(w.start, w.end) for w in split_words(text) if w.text in drawn]) for drawn in sets]
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
    """Mean rank correlation of two saliencies of the same texts over their distinct words.

    Integrated gradients of the occurrences of a word are added up, as deletion removes them together.

    Returns:
        The correlation, NaN if no text has three words with different values.
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
    """Split rows, in order, into parts of at most `CHUNK` readings."""
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
