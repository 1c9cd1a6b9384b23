from __future__ import annotations

import pytest

from vos.errors import ConfigError
from vos.generation.counterfactuals import (
    CounterfactualSettings,
    add_counterfactuals,
    find_counterfactuals,
    near_boundary,
    words_changed,
)
from vos.generation.prompts import Prompt

PROMPT = Prompt("- one\n-", ("one",), ("shot",), (), (0,), (0,))


@pytest.fixture
def near_rows(text_generator):
    return text_generator.real.margins.abs().argsort()[:12].tolist()


def found(tried):
    return [each.candidate for each in tried if each.candidate is not None]


def test_words_changed_is_the_edit_distance_of_words():
    assert words_changed("He fell off the ladder.", "he fell off the LADDER") == 0
    assert words_changed("He fell off the ladder.", "He jumped off the tall ladder.") == 2
    assert words_changed("a b c", "") == 3


def test_counterfactuals_cross_the_boundary_near_their_parent(text_generator, near_rows, featurizer):
    everything = find_counterfactuals(text_generator, PROMPT, near_rows, CounterfactualSettings())
    assert [each.row for each in everything] == near_rows
    assert all(each.cost.classifier_texts in (8, 16, 24, 32) for each in everything)
    candidates = found(everything)
    assert len(candidates) >= 3
    texts = dict(zip(text_generator.real.ids, text_generator.real.texts, strict=True))
    for candidate in candidates:
        parent = candidate.provenance.parents[-1]
        margins = []
        for text in (texts[parent], candidate.example.text):
            batch = featurizer.featurize([text])
            margins.append(float(batch.logits[0, 1] - batch.logits[0, 0]))
        assert (margins[0] >= 0) != (margins[1] >= 0)
        assert abs(margins[1]) <= 2.0
        assert candidate.provenance.parent_margin == pytest.approx(margins[0], abs=1e-5)
        assert candidate.margin == pytest.approx(margins[1], abs=1e-5)
        assert candidate.provenance.words_changed == words_changed(texts[parent], candidate.example.text) > 0
        assert (candidate.provenance.source, candidate.target, candidate.example.label) == (
            "counterfactual",
            None,
            None,
        )
        assert candidate.provenance.parents[0] == "shot"


def test_same_seed_same_counterfactuals_and_each_parent_alone(text_generator, near_rows):
    tried = find_counterfactuals(text_generator, PROMPT, near_rows, CounterfactualSettings())
    assert tried == tuple(
        each
        for row in near_rows
        for each in find_counterfactuals(text_generator, PROMPT, [row], CounterfactualSettings())
    )


def test_more_of_the_text_is_rewritten_only_when_less_does_not_cross(text_generator, near_rows):
    little = found(find_counterfactuals(text_generator, PROMPT, near_rows, CounterfactualSettings(shares=(0.2,))))
    longer = find_counterfactuals(text_generator, PROMPT, near_rows, CounterfactualSettings(shares=(0.2, 0.7)))
    more = found(longer)
    first = {each.provenance.parents[-1]: each.example.text for each in little}
    both = {each.provenance.parents[-1]: each.example.text for each in more}
    assert first.items() <= both.items()
    assert len(both) > len(first)
    assert all(each.cost.lm_tokens > 0 for each in longer)


def test_a_boundary_out_of_reach_gives_no_counterfactual(text_generator, near_rows):
    tried = find_counterfactuals(text_generator, PROMPT, near_rows[:2], CounterfactualSettings(max_margin=1e-9))
    assert found(tried) == []
    assert [each.cost.classifier_texts for each in tried] == [4 * 8] * 2


def test_counterfactuals_stand_after_the_candidates_of_the_nearest_target(text_generator, targets, featurizer, space):
    before = tuple((f"candidate {target}",) for target in range(7))
    after, report = add_counterfactuals(text_generator, targets, before, CounterfactualSettings(texts=12))
    added = [each for row in after for each in row[1:]]
    assert [row[:1] for row in after] == list(before)
    assert len(added) == report["crossed"] >= 3
    assert report["tried"] == 12
    for target, row in enumerate(after):
        for each in row[1:]:
            batch = featurizer.featurize([each.example.text])
            distances = space.distances(space.coordinates(batch.features), targets.coordinates)[0]
            assert each.target == target == int(distances.argmin())
            assert each.distance == pytest.approx(float(distances[target]))
            assert each.provenance.source == "counterfactual"
    changed = sorted(each.provenance.words_changed for each in added)
    assert report["words_changed_median"] == changed[len(changed) // 2]
    assert add_counterfactuals(text_generator, targets, before, CounterfactualSettings(texts=12)) == (after, report)


def test_no_counterfactual_no_median(text_generator, targets):
    before = ((),) * 7
    after, report = add_counterfactuals(
        text_generator, targets, before, CounterfactualSettings(texts=2, max_margin=1e-9)
    )
    assert after == before
    assert (report["crossed"], report["words_changed_median"]) == (0, None)


def test_texts_that_are_tried_come_from_both_sides_and_near_the_boundary(text_generator):
    rows = near_boundary(text_generator.real, 10)
    margins = text_generator.real.margins.tolist()
    assert sum(margins[row] >= 0 for row in rows) == 5
    for side in (True, False):
        own = sorted(abs(m) for m in margins if (m >= 0) == side)
        assert [abs(margins[row]) for row in rows if (margins[row] >= 0) == side] == own[:5]
    assert sorted(near_boundary(text_generator.real, 1000)) == list(range(60))


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
    with pytest.raises(ConfigError, match="counterfactuals"):
        CounterfactualSettings(**options)
