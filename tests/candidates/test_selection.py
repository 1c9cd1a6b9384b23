from __future__ import annotations

import pytest

from vos.candidates.retrieval import Candidate, Retrieval
from vos.candidates.selection import SelectionSettings, select
from vos.errors import ConfigError
from vos.types import Example


def candidate(name, margin=0.5, target=0, distance=1.0, text=None):
    value = None if distance is None else -distance
    example = Example(name, text or f"{name} alpha {name} beta {name}")
    return Candidate(example, margin, (0.5, 0.5), (1.0, 1.0), target, distance, value)


def spare(name, **options):
    return candidate(name, target=None, distance=None, **options)


def batch(by_target, random=(), known=None, **settings):
    retrieval = Retrieval(tuple(map(tuple, by_target)), tuple(random), 99, (0, 99))
    return select(retrieval, known or {}, SelectionSettings(**({"n": 10, "random_share": 0.0} | settings)))


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


def test_margin_zero_belongs_to_the_harmful_side():
    found = batch([[candidate("zero", margin=0.0)], [candidate("below", margin=-1e-9, target=1)]])
    assert names(found) == ["zero", "below"]


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


def test_the_batch_is_not_longer_than_asked():
    many = [[candidate(f"a{i}", margin=(-1) ** i, distance=0.5) for i in range(30)]]
    assert len(batch(many, n=7).chosen) == 7
    assert batch([], n=7).chosen == ()


@pytest.mark.parametrize("options", [{"n": 0}, {"random_share": 1.1}, {"random_share": -0.1}, {"near_duplicate": 0.0}])
def test_impossible_settings_are_refused(options):
    with pytest.raises(ConfigError, match="expected n >= 1"):
        SelectionSettings(**options)


def test_the_random_share_is_rounded():
    assert SelectionSettings(n=100).n_random == 12
    assert SelectionSettings(n=4, random_share=0.12).n_random == 0
