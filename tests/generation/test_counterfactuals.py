from __future__ import annotations

import pytest

from vos.errors import ConfigError
from vos.generation.counterfactuals import EditSettings, add_edits, edit_texts, near_boundary, words_changed
from vos.generation.prompts import Prompt

PROMPT = Prompt("- one\n-", ("one",), ("shot",), ())


@pytest.fixture
def near_rows(kit):
    return kit.real.margins.abs().argsort()[:12].tolist()


def twins(edits):
    return [edit.twin for edit in edits if edit.twin is not None]


def test_words_changed_is_the_edit_distance_of_words():
    assert words_changed("He fell off the ladder.", "he fell off the LADDER") == 0
    assert words_changed("He fell off the ladder.", "He jumped off the tall ladder.") == 2
    assert words_changed("a b c", "") == 3


def test_edits_cross_the_boundary_near_their_parent(kit, near_rows, featurizer):
    everything = edit_texts(kit, PROMPT, near_rows, EditSettings())
    assert [edit.row for edit in everything] == near_rows
    assert all(edit.cost.classifier_texts % 8 == 0 for edit in everything)
    edits = twins(everything)
    assert len(edits) >= 3
    texts = dict(zip(kit.real.ids, kit.real.texts, strict=True))
    for edit in edits:
        parent = edit.provenance.parents[-1]
        margins = []
        for text in (texts[parent], edit.example.text):
            batch = featurizer.featurize([text])
            margins.append(float(batch.logits[0, 1] - batch.logits[0, 0]))
        assert (margins[0] >= 0) != (margins[1] >= 0)
        assert abs(margins[1]) <= 2.0
        assert edit.provenance.parent_margin == pytest.approx(margins[0], abs=1e-5)
        assert edit.margin == pytest.approx(margins[1], abs=1e-5)
        assert edit.provenance.words_changed == words_changed(texts[parent], edit.example.text) > 0
        assert (edit.provenance.source, edit.target, edit.example.label) == ("edited", None, None)
        assert edit.provenance.parents[0] == "shot"


def test_same_seed_same_edits_and_each_parent_alone(kit, near_rows):
    edits = edit_texts(kit, PROMPT, near_rows, EditSettings())
    assert edits == tuple(edit for row in near_rows for edit in edit_texts(kit, PROMPT, [row], EditSettings()))


def test_more_of_the_text_is_rewritten_only_when_less_does_not_cross(kit, near_rows):
    little = twins(edit_texts(kit, PROMPT, near_rows, EditSettings(shares=(0.2,))))
    longer = edit_texts(kit, PROMPT, near_rows, EditSettings(shares=(0.2, 0.7)))
    more = twins(longer)
    first = {edit.provenance.parents[-1]: edit.example.text for edit in little}
    both = {edit.provenance.parents[-1]: edit.example.text for edit in more}
    assert first.items() <= both.items()
    assert len(both) > len(first)
    assert all(edit.cost.lm_tokens > 0 for edit in longer)


def test_a_boundary_out_of_reach_gives_no_edit(kit, near_rows):
    edits = edit_texts(kit, PROMPT, near_rows[:2], EditSettings(max_margin=1e-9))
    assert twins(edits) == []
    assert [edit.cost.classifier_texts for edit in edits] == [4 * 8] * 2


def test_twins_stand_after_the_answers_of_the_nearest_target(kit, targets, featurizer, space):
    before = tuple((f"answer {target}",) for target in range(7))
    after, report = add_edits(kit, targets, before, EditSettings(texts=12))
    twins = [twin for row in after for twin in row[1:]]
    assert [row[:1] for row in after] == list(before)
    assert len(twins) == report["crossed"] >= 3
    assert report["tried"] == 12
    for target, row in enumerate(after):
        for twin in row[1:]:
            batch = featurizer.featurize([twin.example.text])
            distances = space.distances(space.coordinates(batch.features), targets.coordinates)[0]
            assert twin.target == target == int(distances.argmin())
            assert twin.distance == pytest.approx(float(distances[target]))
            assert twin.provenance.source == "edited"
    changed = sorted(twin.provenance.words_changed for twin in twins)
    assert report["words_changed_median"] == changed[len(changed) // 2]
    assert add_edits(kit, targets, before, EditSettings(texts=12)) == (after, report)


def test_no_twin_no_median(kit, targets):
    before = ((),) * 7
    after, report = add_edits(kit, targets, before, EditSettings(texts=2, max_margin=1e-9))
    assert after == before
    assert (report["crossed"], report["words_changed_median"]) == (0, None)


def test_edited_texts_come_from_both_sides_and_near_the_boundary(kit):
    rows = near_boundary(kit.real, 10)
    margins = kit.real.margins.tolist()
    assert sum(margins[row] >= 0 for row in rows) == 5
    for side in (True, False):
        own = sorted(abs(m) for m in margins if (m >= 0) == side)
        assert [abs(margins[row]) for row in rows if (margins[row] >= 0) == side] == own[:5]
    assert sorted(near_boundary(kit.real, 1000)) == list(range(60))


@pytest.mark.parametrize(
    "options",
    [
        {"shares": ()},
        {"shares": (0.5, 0.2)},
        {"shares": (0.0, 0.5)},
        {"shares": (1.5,)},
        {"proposals": 0},
        {"texts": 0},
    ],
)
def test_impossible_settings_are_refused(options):
    with pytest.raises(ConfigError, match="edits"):
        EditSettings(**options)
