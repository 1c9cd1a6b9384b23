"""Repetition in a corpus: openings, phrases, and near-duplicate texts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from benchmarks.corpus.rows import Row, words
from vos.mining.near_duplicates import NearDuplicateFilter

OPENING_WORDS = 3
PHRASE_WORDS = 5
NEAR_DUPLICATE = 0.6
MOST = 3
"""Texts that may share an opening or a phrase."""


def repeats(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Openings and phrases in more than 3 texts, where twins count once; openings also where twins count as two.

    And the texts that nearly repeat another.
    """
    openings: dict[str, set[str]] = defaultdict(set)
    phrases: dict[str, set[str]] = defaultdict(set)
    each: Counter[str] = Counter()
    for row in rows:
        own = words(row.text)
        key = row.pair or row.id
        opening = " ".join(own[:OPENING_WORDS])
        openings[opening].add(key)
        each[opening] += 1
        for i in range(len(own) - PHRASE_WORDS + 1):
            phrases[" ".join(own[i : i + PHRASE_WORDS])].add(key)
    return {
        "openings": sorted(o for o, where in openings.items() if len(where) > MOST),
        "openings_twins_as_two": sorted(o for o, count in each.items() if count > MOST),
        "phrases": sorted(p for p, where in phrases.items() if len(where) > MOST),
        "near_duplicates": near_duplicates(rows),
    }


def near_duplicates(rows: Sequence[Row]) -> list[str]:
    """Ids of texts whose word 3-grams overlap another text's by a Jaccard index of 0.6 or more, outside pairs."""
    seen = NearDuplicateFilter(NEAR_DUPLICATE)
    twins: dict[str, str] = {}
    found = []
    for row in rows:
        if row.pair in twins:
            continue
        if row.pair is not None:
            twins[row.pair] = row.id
        if (other := seen.duplicate_of(row.text)) is not None:
            found.append(f"{row.id} ~ {other}")
        seen.add(row.id, row.text)
    return found
