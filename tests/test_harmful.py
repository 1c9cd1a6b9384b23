"""Which classes are harmful: by setting or by well-known names, and an error if neither decides."""

import pytest

from vos.errors import ConfigError
from vos.harmful import Classes, fold_name, harmful_classes, harmful_in_words


@pytest.mark.parametrize(
    ("harm", "harmless"),
    [
        ("harm", "safe"),
        ("harmful", "harmless"),
        ("hate", "normal"),
        ("Hate Speech", "Neither"),
        ("HATEFUL", "not-hateful"),
        ("toxic", "non-toxic"),
        ("Toxic", "nontoxic"),
        ("unsafe", "safe"),
        ("not safe", "safe"),
        ("abusive", "notAbusive"),
        ("offensive_language", "not offensive language"),
        ("OFF", "NOT"),
        ("hate_speech", "no_hate_speech"),
        ("hateful", "nothate"),
        ("implicit_hate", "not_hate"),
        ("threats", "none"),
        ("Insults", "clean"),
        ("strange", "benign"),
        ("harm", "unsure"),
        ("1", "0"),
        ("True", "False"),
        ("yes", "no"),
        ("Y", "N"),
        ("toxicity", "0"),
        ("isHateful", "isNotHateful"),
        ("harm", "harm-free"),
        ("uncivil", "civil"),
    ],
)
def test_the_names_of_two_classes_decide_in_either_order(harm, harmless):
    assert harmful_classes((harm, harmless)) == (0,)
    assert harmful_classes((harmless, harm)) == (1,)


@pytest.mark.parametrize(
    ("names", "harmful"), [(("neither", "spam", "toxic"), (2,)), (("maybe", "no", "yes"), (2,)), (("a", "hate"), (1,))]
)
def test_the_only_harmful_name_decides(names, harmful):
    assert harmful_classes(names) == harmful


@pytest.mark.parametrize(
    "names",
    [
        ("a", "b"),
        ("0", "1", "2"),
        ("-1", "1"),
        ("1", "2"),
        ("true", "fake"),
        ("yes", "perhaps", "other"),
        ("yes", "no", "hate"),
        ("positive", "negative"),
        ("safe", "harmless"),
        ("safe", "a", "b"),
        ("hate", "offensive"),
        ("hate", "neither", "offensive"),
        tuple(f"intent {i}" for i in range(10)),
    ],
)
def test_names_that_do_not_decide_are_asked_for(names):
    with pytest.raises(ConfigError) as raised:
        harmful_classes(names)
    message = str(raised.value)
    assert all(repr(name) in message for name in names)
    assert "data.positive=" in message
    assert "data.positive=none" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("names", "positive", "harmful"),
    [
        (("hate", "neither", "offensive"), ["offensive", "hate"], (0, 2)),
        (("hate", "neither", "offensive"), "hate", (0,)),
        (("hate", "neither", "offensive"), "none", ()),
        (("none", "harm"), ["none"], (0,)),
        (("0", "1"), 0, (0,)),
        (("0", "1"), 1.0, (1,)),
        (("False", "True"), True, (1,)),
        (("no", "yes"), True, (1,)),  # YAML reads yes so
        (("Hate", "Neither"), "hate", (0,)),
        (("hate", "Hate", "b"), "Hate", (1,)),
        (("x", "y"), ["x", "x"], (0,)),
    ],
)
def test_a_setting_names_classes(names, positive, harmful):
    assert harmful_classes(names, positive) == harmful


@pytest.mark.parametrize("positive", ["x", [], ["a", "b"], ["a", "x"], "", True])
def test_a_setting_that_cannot_be(positive):
    with pytest.raises(ConfigError, match=r"positive: expected .*'a', 'b'"):
        harmful_classes(("a", "b"), positive)


def test_folding():
    assert {fold_name(name) for name in ("Hate-Speech", "hate_speech", " HATE  speech!", "HateSpeech")} == {
        "hatespeech"
    }


def test_words_for_the_head_of_a_run():
    assert harmful_in_words(Classes(("hate", "neither"), (0,))) == "harmful: 'hate'; not harmful: 'neither'"
    assert "no class of ['a', 'b'] is harmful" in harmful_in_words(Classes(("a", "b"), ()))
