from __future__ import annotations

import pytest

from vos.candidates.edits import EditSettings, edit_texts, words_changed
from vos.candidates.prompts import Prompt
from vos.errors import ConfigError

PROMPT = Prompt("- one\n-", ("one",), ("shot",), ())


@pytest.fixture
def near_rows(kit):
    return kit.real.margins.abs().argsort()[:12].tolist()


def test_words_changed_is_the_edit_distance_of_words():
    assert words_changed("He fell off the ladder.", "he fell off the LADDER") == 0
    assert words_changed("He fell off the ladder.", "He jumped off the tall ladder.") == 2
    assert words_changed("a b c", "") == 3


def test_edits_cross_the_boundary_near_their_parent(kit, near_rows, featurizer):
    edits, cost = edit_texts(kit, PROMPT, near_rows, EditSettings())
    assert len(edits) >= 3
    assert cost.classifier_texts % 8 == 0
    texts = dict(zip(kit.real.ids, kit.real.texts, strict=True))
    for edit in edits:
        parent = edit.evidence.parents[-1]
        margins = []
        for text in (texts[parent], edit.example.text):
            batch = featurizer.featurize([text])
            margins.append(float(batch.logits[0, 1] - batch.logits[0, 0]))
        assert (margins[0] >= 0) != (margins[1] >= 0)
        assert abs(margins[1]) <= 2.0
        assert edit.evidence.parent_margin == pytest.approx(margins[0], abs=1e-5)
        assert edit.margin == pytest.approx(margins[1], abs=1e-5)
        assert edit.evidence.words_changed == words_changed(texts[parent], edit.example.text) > 0
        assert (edit.evidence.source, edit.target, edit.example.label) == ("edited", None, None)
        assert edit.evidence.parents[0] == "shot"


def test_same_seed_same_edits_and_each_parent_alone(kit, near_rows):
    edits, _ = edit_texts(kit, PROMPT, near_rows, EditSettings())
    alone = [edit for row in near_rows for edit in edit_texts(kit, PROMPT, [row], EditSettings())[0]]
    assert [edit.example.text for edit in edits] == [edit.example.text for edit in alone]


def test_more_of_the_text_is_rewritten_only_when_less_does_not_cross(kit, near_rows):
    little, _ = edit_texts(kit, PROMPT, near_rows, EditSettings(shares=(0.2,)))
    more, cost = edit_texts(kit, PROMPT, near_rows, EditSettings(shares=(0.2, 0.7)))
    first = {edit.evidence.parents[-1]: edit.example.text for edit in little}
    both = {edit.evidence.parents[-1]: edit.example.text for edit in more}
    assert first.items() <= both.items()
    assert len(both) > len(first)
    assert cost.lm_tokens > 0


def test_a_boundary_out_of_reach_gives_no_edit(kit, near_rows):
    edits, cost = edit_texts(kit, PROMPT, near_rows[:2], EditSettings(max_margin=1e-9))
    assert edits == ()
    assert cost.classifier_texts == 2 * 4 * 8


@pytest.mark.parametrize(
    "options", [{"shares": ()}, {"shares": (0.5, 0.2)}, {"shares": (0.0, 0.5)}, {"shares": (1.5,)}, {"proposals": 0}]
)
def test_impossible_settings_are_refused(options):
    with pytest.raises(ConfigError, match="edits"):
        EditSettings(**options)
