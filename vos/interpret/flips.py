"""The smallest edit that moves a text across the boundary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vos.interpret.edits import Edit, Flip, Slopes, edited, edited_words, slopes
from vos.interpret.gradients import GradientReader
from vos.interpret.margins import MarginReader
from vos.interpret.word_neighbors import NEAREST, Substitutes, word_vectors
from vos.interpret.words import Word, split_words

Told = Callable[[int], None]


def nobody(_: int) -> None:
    """Ignore progress."""


@dataclass(frozen=True)
class FlipSettings:
    """How flips are searched.

    Attributes:
        nearest: number of corpus words tried as replacements of a word.
        checked: largest number of edits of a text that the classifier reads, those of largest first-order effect.
        at_a_time: number of these per round, the most similar first; the search ends with the round that finds a flip.
        pair_bonus: added to the similarity for each neighbouring word pair that occurs in the corpus.
        edits: largest number of words that `greedy` changes in a text.
        greedy_checked: number of edits read in each of its steps.
        group: number of texts searched together, so that batches contain texts of similar length.
    """

    nearest: int = NEAREST
    checked: int = 100
    at_a_time: int = 6
    pair_bonus: float = 0.15
    edits: int = 3
    greedy_checked: int = 30
    group: int = 256


class _Candidate(NamedTuple):
    place: int
    word: int
    similarity: float
    score: float


@dataclass
class _Search:
    """The state of the search for one text."""

    text: str
    words: list[Word]
    own: int
    negative: bool
    changes: dict[int, Edit] = field(default_factory=dict)
    candidates: list[_Candidate] = field(default_factory=list)
    flip: Flip | None = None
    tried: int = 0

    def crossed(self, margin: float) -> bool:
        """Whether a margin is on the other side."""
        return bool(np.signbit(margin)) != self.negative


Step = tuple[_Search, _Candidate]
Read = Callable[[Sequence[str], NDArray[np.int64]], NDArray[np.float64]]


class FlipFinder:
    """Searches the smallest flips of texts.

    Args:
        read: see `MarginReader`.
        gradients: gradient reader of the same classifier.
        substitutes: proposes replacements of words.
        settings: see `FlipSettings`.

    Example:
        finder = FlipFinder(MarginReader(classifier), GradientReader(classifier), substitutes)
        flips, tried = finder.gentlest(texts)
    """

    def __init__(
        self,
        read: MarginReader,
        gradients: GradientReader,
        substitutes: Substitutes,
        settings: FlipSettings | None = None,
    ) -> None:
        self.read = read
        self.gradients = gradients
        self.substitutes = substitutes
        self.settings = settings or FlipSettings()
        self._table = gradients.table
        self._vectors = self._embedded(substitutes.corpus.words)

    def gentlest(self, texts: Sequence[str], told: Told = nobody) -> tuple[list[Flip | None], NDArray[np.int64]]:
        """The replacement of one word by a similar one that crosses the boundary; the most similar of those that do.

        Of the nearest words of every word, those with the largest first-order effect towards the other side are read.
        Similarity is increased if the new word also occurs next to its new neighbours in the corpus.

        Args:
            texts: n of them.
            told: called with how many more texts are done.

        Returns:
            A flip for each text, None if none was found, and the number of edits read: (n,) int64.
        """
        return self._grouped(texts, told, self._substitute)

    def greedy(self, texts: Sequence[str], told: Told = nobody) -> tuple[list[Flip | None], NDArray[np.int64]]:
        """Replace up to `edits` words one at a time by any corpus words, for texts far from the boundary.

        Each step reads the edits with the largest first-order effect. If some cross, the most similar of them is
        returned; otherwise the next step continues from the one closest to the boundary.

        Args:
            texts: n of them.
            told: called with how many more texts are done.

        Returns:
            See `gentlest`.
        """
        return self._grouped(texts, told, self._step_by_step)

    def _grouped(
        self, texts: Sequence[str], told: Told, search: Callable[[list[_Search]], None]
    ) -> tuple[list[Flip | None], NDArray[np.int64]]:
        done: list[_Search] = []
        for start in range(0, len(texts), self.settings.group):
            part = texts[start : start + self.settings.group]
            own = self.read.own(part)
            margins = self.read.exact(part, own)
            classes = np.zeros(len(part), dtype=np.int64) if own is None else own
            searches = [
                _Search(text, split_words(text), int(c), bool(np.signbit(m)))
                for text, c, m in zip(part, classes, margins, strict=True)
            ]
            if self.substitutes.corpus.words:
                search(searches)
            done += searches
            told(len(part))
        return [each.flip for each in done], np.array([each.tried for each in done], dtype=np.int64)

    def _substitute(self, searches: list[_Search]) -> None:
        self._propose_similar(searches)
        at, step = 0, self.settings.at_a_time
        while waiting := [each for each in searches if each.flip is None and at < len(each.candidates)]:
            self._check([(each, candidate) for each in waiting for candidate in each.candidates[at : at + step]])
            at += step

    def _step_by_step(self, searches: list[_Search]) -> None:
        for _ in range(self.settings.edits):
            waiting = [each for each in searches if each.flip is None]
            self._propose_any(waiting)
            steps = [(each, candidate) for each in waiting for candidate in each.candidates]
            best: dict[int, tuple[float, Step]] = {}
            for margin, (each, candidate) in zip(self._check(steps), steps, strict=True):
                short = -margin if each.negative else margin
                if id(each) not in best or short < best[id(each)][0]:
                    best[id(each)] = (float(short), (each, candidate))
            for _, (each, candidate) in best.values():
                each.changes[candidate.place] = self._edit(each, candidate)

    def _check(self, steps: Sequence[Step]) -> NDArray[np.float64]:
        """Margins after each step; the first step of a text that crosses, confirmed in float32, is its flip."""
        texts = [self._with(each, candidate) for each, candidate in steps]
        margins = self._margins(self.read, texts, steps)
        places = [p for p, (each, _) in enumerate(steps) if each.crossed(margins[p])]
        exact = self._margins(self.read.exact, [texts[p] for p in places], [steps[p] for p in places])
        for place, margin in zip(places, exact, strict=True):
            each, candidate = steps[place]
            if each.flip is None and each.crossed(margin):
                each.flip = Flip((*each.changes.values(), self._edit(each, candidate)), float(margin))
        for each, _ in steps:
            each.tried += 1
        return margins

    def _margins(self, read: Read, texts: list[str], of: Sequence[Step]) -> NDArray[np.float64]:
        return read(texts, np.array([each.own for each, _ in of], dtype=np.int64))

    def _edit(self, search: _Search, candidate: _Candidate) -> Edit:
        word = search.words[candidate.place]
        return Edit(word.start, word.end, self.substitutes.corpus.words[candidate.word], candidate.similarity)

    def _with(self, search: _Search, candidate: _Candidate) -> str:
        changes = {place: edit.word for place, edit in search.changes.items()}
        changes[candidate.place] = self.substitutes.corpus.words[candidate.word]
        return edited(search.text, search.words, changes)

    def _propose_similar(self, searches: Sequence[_Search]) -> None:
        """Propose the similar words of largest first-order effect, most similar first."""
        words = [each.words for each in searches]
        found = self._slopes([each.text for each in searches], words)
        kinds = sorted({words[i][place].text for i, each in found for place in each.places})
        index = {word: i for i, word in enumerate(kinds)}
        nearest, cosines = self.substitutes.nearest(kinds, self.settings.nearest)
        olds = self._embedded(kinds)
        for i, each in found:
            rows = [index[words[i][place].text] for place in each.places]
            moves = np.einsum("kd,knd->kn", each.gradients, self._vectors[nearest[rows]] - olds[rows][:, None])
            for k, n in self._largest(moves, searches[i].negative, self.settings.checked):
                self._add(searches[i], words[i], int(each.places[k]), int(nearest[rows[k], n]), cosines[rows[k], n])
            searches[i].candidates.sort(key=lambda candidate: -candidate.score)

    def _propose_any(self, searches: Sequence[_Search]) -> None:
        """Propose the corpus words of largest first-order effect at the unchanged words, most similar first."""
        changes = [{place: edit.word for place, edit in each.changes.items()} for each in searches]
        texts = [edited(each.text, each.words, made) for each, made in zip(searches, changes, strict=True)]
        moved = [edited_words(each.text, each.words, made) for each, made in zip(searches, changes, strict=True)]
        for each in searches:
            each.candidates.clear()
        for i, at in self._slopes(texts, moved):
            search, words = searches[i], moved[i]
            kept = [k for k, place in enumerate(at.places) if int(place) not in search.changes]
            places, slope = at.places[kept], at.gradients[kept]
            old = [words[place].text for place in places]
            moves = slope @ self._vectors.T - (slope * self._embedded(old)).sum(1, keepdims=True)
            similar = self.substitutes.cosines(old)
            for k, n in self._largest(moves, search.negative, self.settings.greedy_checked):
                if self.substitutes.corpus.words[n] != old[k]:
                    self._add(search, words, int(places[k]), int(n), similar[k, n])
            search.candidates.sort(key=lambda candidate: -candidate.score)

    @staticmethod
    def _largest(moves: NDArray[np.float64], upwards: bool, n: int) -> list[tuple[int, int]]:
        """Indices of the n largest of `moves`, or of the n smallest."""
        flat = np.ravel(-moves if upwards else moves)
        n = min(n, len(flat))
        best = np.argpartition(flat, n - 1)[:n] if n else np.zeros(0, dtype=np.int64)
        rows, columns = np.unravel_index(best[np.argsort(flat[best], kind="stable")], moves.shape)
        return list(zip(rows.tolist(), columns.tolist(), strict=True))

    def _add(self, search: _Search, words: Sequence[Word], place: int, new: int, similarity: float) -> None:
        corpus = self.substitutes.corpus
        before = words[place - 1].text if place else ""
        after = words[place + 1].text if place + 1 < len(words) else ""
        bonus = self.settings.pair_bonus * corpus.seen(before, corpus.words[new], after)
        search.candidates.append(_Candidate(place, new, float(similarity), float(similarity) + bonus))

    def _slopes(self, texts: Sequence[str], words: Sequence[Sequence[Word]]) -> list[tuple[int, Slopes]]:
        found = [(each.row, slopes(words[each.row], each)) for each in self.gradients.read(texts)]
        return [(row, each) for row, each in found if len(each.places)]

    def _embedded(self, words: Sequence[str]) -> NDArray[np.float64]:
        vectors: NDArray[np.float64] = word_vectors(self.read.classifier.tokenizer, self._table, words).double().numpy()
        return vectors
