"""Diversity and fluency of text sets: self-BLEU, distinct-n, and perplexity under an n-gram model of real texts.

The n-gram model (interpolated Kneser-Ney trigrams over lower-cased words, one discount) is independent of the language
model that writes the texts. It is a weak judge: it knows which words follow each other in real texts of the same
corpus, not whether a sentence makes sense. Loops and frequent phrases look fluent to it, so perplexities are reported
as percentiles among held-out real texts.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

START, END, UNKNOWN = "<s>", "</s>", "<unk>"


def words(text: str) -> list[str]:
    """Words and marks of the lower-cased text."""
    return re.findall(r"\w+(?:['’]\w+)?|[^\w\s]", text.lower())  # noqa: RUF001 - both apostrophes are written


def ngrams(tokens: Sequence[str], n: int) -> list[tuple[str, ...]]:
    """All n-grams in their order."""
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]


def distinct(texts: Sequence[str], n: int) -> float:
    """Different word n-grams of all texts over all their n-grams; 0 when there are none."""
    grams = [gram for text in texts for gram in ngrams(words(text), n)]
    return len(set(grams)) / len(grams) if grams else 0.0


def bleu(candidate: Sequence[str], references: Sequence[Sequence[str]], order: int = 4) -> float:
    """Sentence BLEU with uniform weights, clipped counts and the brevity penalty of the closest reference.

    A text without a match of some order gets half a match there (smoothing 1 of Chen and Cherry 2014, with 0.5 for its
    epsilon); without smoothing nearly every short text scores 0.
    """
    if not candidate or not references:
        return 0.0
    logs = []
    for n in range(1, order + 1):
        own = Counter(ngrams(candidate, n))
        total = sum(own.values())
        if not total:
            break
        most: Counter[tuple[str, ...]] = Counter()
        for reference in references:
            most |= Counter(ngrams(reference, n))
        logs.append(math.log(max(sum((own & most).values()), 0.5) / total))
    closest = min((abs(len(reference) - len(candidate)), len(reference)) for reference in references)[1]
    penalty = min(0.0, 1 - closest / len(candidate))
    return math.exp(penalty + sum(logs) / len(logs))


def self_bleu(texts: Sequence[str]) -> float:
    """Mean BLEU of each text against all others; higher is less diverse. Compare only sets of the same size."""
    if len(texts) < 2:
        return 0.0
    tokens = [words(text) for text in texts]
    return sum(bleu(own, tokens[:i] + tokens[i + 1 :]) for i, own in enumerate(tokens)) / len(tokens)


class Trigrams:
    """Interpolated Kneser-Ney trigram model with one absolute discount.

    Args:
        texts: what it learns from. Words seen once count as unknown, so that unknown words have a probability.
        discount: taken from every count, in (0, 1).

    Source: Chen and Goodman 1999, section 2.7, without the three separate discounts.
    """

    def __init__(self, texts: Sequence[str], discount: float = 0.75) -> None:
        tokens = [words(text) for text in texts]
        seen = Counter(word for row in tokens for word in row)
        self.vocabulary = {word for word, count in seen.items() if count > 1} | {END, UNKNOWN}
        self.discount = discount
        counts: Counter[tuple[str, ...]] = Counter(gram for row in tokens for gram in ngrams(self._framed(row), 3))
        # Below the top order a word counts by how many different words stand before it.
        bigrams = Counter(gram[1:] for gram in counts)
        unigrams = Counter(gram[1:] for gram in bigrams)
        self._counts = [unigrams, bigrams, counts]
        self._totals: list[Counter[tuple[str, ...]]] = []
        self._followers: list[Counter[tuple[str, ...]]] = []
        for table in self._counts:
            totals: Counter[tuple[str, ...]] = Counter()
            followers: Counter[tuple[str, ...]] = Counter()
            for gram, count in table.items():
                totals[gram[:-1]] += count
                followers[gram[:-1]] += 1
            self._totals.append(totals)
            self._followers.append(followers)

    def _framed(self, row: Sequence[str]) -> list[str]:
        return [START, START, *(word if word in self.vocabulary else UNKNOWN for word in row), END]

    def probability(self, gram: tuple[str, ...]) -> float:
        """Of the last word after the words before it (at most two)."""
        if not gram:
            return 1 / len(self.vocabulary)
        order = len(gram) - 1
        total = self._totals[order][gram[:-1]]
        lower = self.probability(gram[1:])
        if not total:
            return lower
        kept = max(self._counts[order][gram] - self.discount, 0.0)
        return (kept + self.discount * self._followers[order][gram[:-1]] * lower) / total

    def perplexity(self, text: str) -> float:
        """Per word, the end of the text included."""
        grams = ngrams(self._framed(words(text)), 3)
        return math.exp(-sum(math.log(self.probability(gram)) for gram in grams) / len(grams))


def percentiles(values: Sequence[float], among: Sequence[float]) -> list[float]:
    """Share of `among` that lies below each value, ties half."""
    table: dict[float, float] = defaultdict(float)
    for value in set(values):
        table[value] = (sum(a < value for a in among) + 0.5 * sum(a == value for a in among)) / len(among)
    return [table[value] for value in values]
