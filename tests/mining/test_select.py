from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.settings import selection
from vos.errors import ConfigError
from vos.mining.candidates import Candidate
from vos.mining.near_duplicates import RepeatFilter, shingles
from vos.mining.select import select
from vos.storage.provenance import Provenance
from vos.types import Example


def candidate(name, margin=0.5, target=0, distance=1.0, text=None):
    value = None if distance is None else -distance
    example = Example(name, text or f"{name} alpha {name} beta {name}")
    return Candidate(example, margin, (0.5, 0.5), (1.0, 1.0), target, distance, value)


def spare(name, **options):
    return candidate(name, target=None, distance=None, **options)


def batch(by_target, random=(), known=None, **changes):
    settings = selection(**{"n": 10, "random_share": 0.0, "max_cosine": None, "max_distance": 1.5} | changes)
    seen = RepeatFilter(known or {}, settings.near_duplicate, settings.max_cosine, None)
    return select(by_target, random, seen, settings)


def names(selection):
    return [c.example.id for c in selection.chosen]


def test_targets_are_served_in_turn_nearest_first():
    found = batch([[candidate("a0", distance=0.9), candidate("a1", distance=0.95)],
                   [candidate("b0", target=1, distance=0.2), candidate("b1", target=1, distance=0.3)]])  # fmt: skip
    assert names(found) == ["b0", "a0", "b1", "a1"]
    assert found.targets_hit == (0, 1)
    assert found.targets_missed == ()


def test_sides_alternate_and_an_empty_side_gives_its_places_away():
    above = [candidate(f"u{i}", margin=1.0, distance=i / 10) for i in range(4)]
    below = [candidate("d0", margin=-1.0, target=1)]
    found = batch([above, below], n=4)
    assert names(found) == ["u0", "d0", "u1", "u2"]
    assert found.chosen[1].margin < 0


def test_the_sign_of_a_zero_tells_its_side():
    found = batch([[candidate("zero", margin=0.0)], [candidate("below", margin=-1e-9, target=1)]])
    assert names(found) == ["zero", "below"]
    only = batch([[candidate("a", margin=-0.0)], [candidate("b", margin=-1.0, target=1)]], n=2, max_side_share=0.5)
    assert (names(only), only.dropped) == (["a"], {"quota of the harmless side": 1})


def test_a_text_answers_one_target_only():
    found = batch([[candidate("same", distance=0.1)], [candidate("same", target=1, distance=0.2)]])
    assert names(found) == ["same"]
    assert found.targets_hit == (0,)
    assert found.targets_missed == (1,)


def test_every_text_left_out_is_counted_by_reason():
    found = batch(
        [[
            candidate("far", distance=1.6),
            candidate("wide", margin=3.0),
            candidate("known", text="one two three four five"),
            candidate("kept", text="six seven eight nine ten"),
            candidate("again", text="six seven eight nine ten", distance=1.1),
        ]],
        known={"t": "One two three four five"},
        max_margin=2.0,
    )  # fmt: skip
    assert names(found) == ["kept"]
    assert found.dropped == {
        "farther than max_distance from its target": 1,
        "near-duplicate in batch": 1,
        "near-duplicate of a labelled text": 1,
        "|margin| above max_margin": 1,
    }


def test_the_random_share_comes_first_and_spares_replace_repeats():
    random = [spare("r0", text="one two three four"), spare("r1"), spare("r2"), spare("r3")]
    found = batch([[candidate("r1"), candidate("a")]], random, {"t": "one two three four"}, n=4, random_share=0.5)
    assert names(found) == ["a", "r1", "r2"]  # r1 was drawn at random already and is not offered again
    assert [c.target for c in found.chosen] == [0, None, None]
    assert found.dropped == {"near-duplicate in batch": 1, "near-duplicate of a labelled text": 1}


def test_a_text_that_is_turned_away_twice_is_counted_once():
    known = {"t": "one two three four"}
    repeat = {"text": "one two three four"}
    by_target = [[candidate("r0", **repeat)], [candidate("r0", target=1, **repeat), candidate("a", target=1)]]
    random = [spare("r0", **repeat), spare("r1"), spare("r0", **repeat)]
    found = batch(by_target, random, known, n=4, random_share=0.75)
    assert names(found) == ["a", "r1"]
    assert found.dropped == {"near-duplicate of a labelled text": 1}


def test_texts_of_different_files_may_have_the_same_id():
    found = batch([[candidate("1", text="one two three four"), candidate("1", text="five six seven eight")]], n=2)
    assert [c.example.text for c in found.chosen] == ["one two three four", "five six seven eight"]


def test_the_batch_is_not_longer_than_asked():
    many = [[candidate(f"a{i}", margin=(-1) ** i, distance=0.5) for i in range(30)]]
    assert len(batch(many, n=7).chosen) == 7
    assert batch([], n=7).chosen == ()


@pytest.mark.parametrize("options", [{"n": 0}, {"random_share": 1.1}, {"random_share": -0.1}, {"near_duplicate": 0.0}])
def test_impossible_settings_are_refused(options):
    with pytest.raises(ConfigError, match="expected n >= 1"):
        selection(**options)


def test_the_random_share_is_rounded():
    assert selection(n=100, random_share=0.12).n_random == 12
    assert selection(n=4, random_share=0.12).n_random == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_cosine": 0.0}, r"max_cosine in \(0, 1\] or null, got 0.0"),
        ({"max_per_target": 0}, "max_per_target >= 1 or null, got 0"),
        ({"max_side_share": 1.5}, "max_side_share and every max_source_share"),
        ({"max_source_share": {"lm": -0.1}}, "max_side_share and every max_source_share"),
    ],
)
def test_impossible_quotas_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        selection(**options)


def test_a_cosine_needs_features():
    with pytest.raises(ConfigError, match=r"selection.max_cosine=0.9: expected a featurizer"):
        batch([], max_cosine=0.9)


def made(name, source, **options):
    provenance = Provenance(source, (), "p", "lm", 0, 1, 1, 0.0)
    return replace(candidate(name, **options), provenance=provenance)


def test_a_source_has_no_more_than_its_share():
    texts = [made(f"s{i}", "prefix_conditioned", distance=i / 10) for i in range(6)]
    texts += [candidate(f"p{i}", distance=1 + i / 10) for i in range(3)]
    found = batch([texts], n=4, max_source_share={"prefix_conditioned": 0.5, "lm": 0.0})
    assert names(found) == ["s0", "s1", "p0", "p1"]
    assert found.dropped == {"left over when the batch was full": 1, "quota of the source prefix_conditioned": 4}


def test_a_side_and_a_target_have_no_more_than_their_share():
    above = [candidate(f"u{i}", margin=1.0, distance=i / 10) for i in range(4)]
    found = batch([above, [candidate("d0", margin=-1.0, target=1)]], n=4, max_side_share=0.5)
    assert names(found) == ["u0", "d0", "u1"]  # a place stays empty rather than going to the same side
    assert found.dropped == {"quota of the harmful side": 2}
    found = batch([above, [candidate("u3", margin=1.0, target=1, distance=0.9)]], max_per_target=2)
    assert names(found) == ["u0", "u3", "u1"]
    assert found.dropped == {"quota of the target": 1}


def test_a_text_too_far_from_one_target_may_answer_another():
    found = batch([[candidate("a", distance=1.9)], [candidate("b", target=1), candidate("a", target=1, distance=0.2)]])
    assert names(found) == ["b", "a"]
    assert found.chosen[1].target == 1
    assert found.dropped == {}


ANGLES = {"a": 0.0, "b": 0.3, "c": 0.9, "d": 2.0}


def features_of(texts):
    return torch.tensor([[math.cos(ANGLES[t[0]]), math.sin(ANGLES[t[0]])] for t in texts]).reshape(-1, 2)


WORDS = ["one", "two", "three", "four", "five"]

CANDIDATES = st.builds(
    lambda i, target, distance, sign, source: (i, target, distance / 10, sign, source),
    st.integers(0, 11), st.integers(0, 2), st.integers(0, 20), st.sampled_from([-1, 1]),
    st.sampled_from(["pool", "lm", "prefix_conditioned"]),
)  # fmt: skip


def table_of(rows):
    """Lists by target, best first; a text has one text, side and source whichever target it is for."""
    facts = {}
    by_target = [[], [], []]
    for i, target, distance, sign, source in rows:
        text = f"{'abcd'[i % 4]}{i} " + " ".join(WORDS[j] for j in range(5) if (i // 2) >> (j % 3) & 1 or j > 2)
        sign, source = facts.setdefault(i, (sign, source))
        if any(c.example.id == f"i{i}" for c in by_target[target]):
            continue
        options = {"margin": sign * 0.5, "target": target, "distance": distance, "text": text}
        by_target[target].append(
            candidate(f"i{i}", **options) if source == "pool" else made(f"i{i}", source, **options)
        )
    return [sorted(kept, key=lambda c: c.distance) for kept in by_target]


def literal(by_target, known, options):
    """The rules once more, without queues: before every choice all pairs of text and target are looked at anew."""

    def cosine(one, two):
        return math.cos(ANGLES[one[0]] - ANGLES[two[0]])

    def repeats(text, others):
        own = shingles(text)
        return any(
            len(own & shingles(o)) >= options["near_duplicate"] * len(own | shingles(o))
            or cosine(text, o) >= options["max_cosine"]
            for o in others
        )

    def source(c):
        return c.provenance.source

    chosen, repeated, sides, turn = [], set(), [True, False], 0
    places = options["n"]
    while len(chosen) < places and sides:
        turn %= len(sides)
        side, pick = sides[turn], None
        pairs = [(rank, c.distance, c.example.id, c) for kept in by_target for rank, c in enumerate(kept)]
        for _, _, _, c in sorted(pairs, key=lambda pair: pair[:3]):
            if (c.margin >= 0) is not side or c.example.id in {x.example.id for x in chosen} | repeated:
                continue
            if c.distance > options["max_distance"]:
                continue
            if sum(x.target == c.target for x in chosen) >= options["max_per_target"]:
                continue
            if sum((x.margin >= 0) is side for x in chosen) >= math.floor(options["max_side_share"] * places):
                continue
            share = options["max_source_share"].get(source(c), 1.0)
            if sum(source(x) == source(c) for x in chosen) >= math.floor(share * places):
                continue
            if repeats(c.example.text, [*known.values(), *(x.example.text for x in chosen)]):
                repeated.add(c.example.id)
                continue
            pick = c
            break
        if pick is None:
            sides.pop(turn)
        else:
            chosen.append(pick)
            turn += 1
    return chosen


@settings(max_examples=20)  # every index of words costs a second
@given(
    st.lists(CANDIDATES, max_size=25),
    st.integers(1, 8),
    st.sampled_from([0.25, 0.5, 1.0]),
    st.sampled_from([0.25, 0.5, 1.0]),
    st.sampled_from([0.8, 0.96, 1.0]),
    st.integers(1, 3),
)
def test_the_choice_is_that_of_the_rules_written_out(rows, n, side_share, source_share, max_cosine, per_target):
    by_target, known = table_of(rows), {"k": "d0 four five"}
    options = {
        "n": n, "max_side_share": side_share, "max_source_share": {"lm": source_share}, "max_cosine": max_cosine,
        "near_duplicate": 0.9, "max_per_target": per_target, "max_distance": 1.5,
    }  # fmt: skip
    seen = RepeatFilter(known, options["near_duplicate"], max_cosine, features_of)
    found = select(by_target, [], seen, selection(random_share=0.0, max_margin=None, **options))
    assert [(c.example.id, c.target) for c in found.chosen] == [
        (c.example.id, c.target) for c in literal(by_target, known, options)
    ]
    offered = {c.example.id for kept in by_target for c in kept}
    assert sum(found.dropped.values()) == len(offered) - len(found.chosen)
