import itertools

import pytest

from vos.errors import ConfigError
from vos.harmful import fold_name
from vos.models.outputs import class_of_output, group_outputs, match_outputs, with_positive

MATCHED = [
    (["HARM", "SAFE"], ["safe", "harm"], [1, 0]),
    (["harm", "clean"], ["safe", "harm"], [1, 0]),
    (["Hate Speech", "Offensive", "Neither"], ["hate", "neither", "offensive"], [0, 2, 1]),
    (["hate_speech", "not-offensive"], ["Not Offensive", "Hate speech"], [1, 0]),
    (["Threats", "Insults", "Nothing"], ["insult", "nothing", "threat"], [1, 2, 0]),
    (["Ｈａｒｍ", "safe"], ["safe", "harm"], [1, 0]),
    (["LABEL_0", "LABEL_1"], ["1", "0"], [1, 0]),
    (["LABEL_1", "LABEL_0"], ["0", "1"], [1, 0]),
    (["new", "news"], ["news", "new"], [1, 0]),
    (["harmless", "harm"], ["harm", "harmless"], [1, 0]),
    (["1", "2", "3"], ["3", "1", "2"], [2, 0, 1]),
]


@pytest.mark.parametrize(("outputs", "classes", "expected"), MATCHED)
def test_names_that_say_it(outputs, classes, expected):
    assert match_outputs(outputs, classes) == expected


@pytest.mark.parametrize("places", list(itertools.permutations(range(4))))
def test_every_order_of_four_names(places):
    names = ["Billing", "card lost", "Card-Stolen", "top_up"]
    classes = ["billing", "cardlost", "card stolen", "Top Ups"]
    assert match_outputs([names[i] for i in places], classes) == [places.index(c) for c in range(4)]


UNSETTLED = [
    (["LABEL_0", "LABEL_1"], ["safe", "harm"]),
    (["positive", "negative"], ["safe", "harm"]),
    (["LABEL_0", "LABEL_1", "harm"], ["harm", "safe", "spam"]),
    (["News", "NEWS", "spam"], ["news", "new", "spam"]),
]


@pytest.mark.parametrize(("outputs", "classes"), UNSETTLED)
def test_names_that_do_not_say_it_are_asked_for_with_both_lists(outputs, classes):
    with pytest.raises(ConfigError, match=r"^model\.label_map: ") as caught:
        match_outputs(outputs, classes)
    message = str(caught.value)
    assert str(outputs) in message
    assert str(classes) in message
    assert "\n" not in message


def test_outputs_that_do_not_exclude_each_other_are_not_told_by_what_is_left():
    with pytest.raises(ConfigError, match=r"model\.label_map"):
        match_outputs(["harm", "obscene"], ["safe", "harm"], exclusive=False)


@pytest.mark.parametrize(
    "label_map", [{"LABEL_0": "harm", "LABEL_1": "safe"}, {0: "harm", 1: "safe"}, {"label-0": "Harm"}, {1: "safe"}]
)
def test_a_label_map_says_it(label_map):
    assert match_outputs(["LABEL_0", "LABEL_1"], ["safe", "harm"], label_map) == [1, 0]


def test_a_label_map_goes_before_names():
    assert match_outputs(["safe", "harm"], ["safe", "harm"], {"safe": "harm", "harm": "safe"}) == [1, 0]


WRONG_MAPS = [
    ({"LABEL_7": "harm"}, "expected one of the model's outputs"),
    ({2: "harm"}, "expected one of the model's outputs"),
    ({-1: "harm"}, "expected one of the model's outputs"),
    ({0: "hamr"}, "expected one of the classes"),
    ({0: "harm", 1: "harm"}, "each class once"),
    ({0: "harm", "LABEL_0": "safe"}, "each output and each class once"),
]


@pytest.mark.parametrize(("label_map", "expected"), WRONG_MAPS)
def test_a_label_map_that_names_what_is_not_there(label_map, expected):
    with pytest.raises(ConfigError, match=rf"^model\.label_map: .*{expected}"):
        match_outputs(["LABEL_0", "LABEL_1"], ["safe", "harm"], label_map)


def test_another_number_of_outputs_than_classes():
    with pytest.raises(ConfigError, match=r"the data's 2 classes \['safe', 'harm'\], found 3: \['a', 'b', 'c'\]"):
        match_outputs(["a", "b", "c"], ["safe", "harm"])


@pytest.mark.parametrize(("output", "expected"), [("Safe", 0), ("HARMS", 1), ("harm", 1)])
def test_the_only_output_speaks_for_the_class_of_its_name(output, expected):
    assert class_of_output(output, ["safe", "harm"]) == expected


@pytest.mark.parametrize("classes", [["safe", "harm"], ["0", "1"]])
def test_the_only_output_without_a_name_is_asked_for(classes):
    with pytest.raises(ConfigError, match=r"model\.label_map"):
        class_of_output("LABEL_0", classes)
    assert class_of_output("LABEL_0", classes, {"LABEL_0": classes[0]}) == 0


def test_the_harmful_output_by_name():
    outputs = ["LABEL_0", "LABEL_1"]
    for classes, harmful, found in ((["safe", "harm"], [1], [1, 0]), (["harm", "safe"], [0], [0, 1])):
        assert match_outputs(outputs, classes, with_positive(outputs, classes, harmful, None, "LABEL_0")) == found
    with pytest.raises(ConfigError, match=r"set data\.positive=safe"):
        with_positive(["Safe", "Harm"], ["safe", "harm"], [1], None, "SAFE")


@pytest.mark.parametrize(("name", "folded"), [("Harmless", "harmless"), ("abuses", "abuse"), ("Is", "is"), ("", "")])
def test_what_a_fold_leaves(name, folded):
    assert fold_name(name) == folded


@pytest.mark.parametrize("harmful", [[], [0, 1]])
def test_the_harmful_output_needs_one_harmful_class(harmful):
    with pytest.raises(ConfigError, match=r"model\.positive_label: expected data with one harmful class"):
        with_positive(["a", "b", "c"], ["hate", "threat", "safe"], harmful, None, "a")
    assert with_positive(["a", "b", "c"], ["a", "b", "c"], [0, 1], None, "a") == {"a": "a"}


GROUPED = [
    ({"hate": "harm", 2: "harm", "neither": "safe"}, None, [1, 0, 1]),
    ({"hate": "harm"}, 0, [1, 0, 0]),
]


@pytest.mark.parametrize(("label_map", "rest", "expected"), GROUPED)
def test_several_outputs_of_one_class(label_map, rest, expected):
    assert group_outputs(["Hate", "Neither", "Offensive"], ["safe", "harm"], label_map, rest) == expected


def test_names_say_it_of_more_outputs_than_classes_too():
    assert group_outputs(["Neither", "Hate", "Hates"], ["hate", "neither"]) == [1, 0, 0]
    with pytest.raises(ConfigError, match=r"several outputs may mean one class, or .* model\.positive_label"):
        group_outputs(["neither", "hate", "offensive"], ["hate", "neither"])
    with pytest.raises(ConfigError, match=r"an output for every class, none of \['a', 'b', 'c'\] is \['safe'\]"):
        group_outputs(["a", "b", "c"], ["safe", "harm"], dict.fromkeys("abc", "harm"))


def test_the_harmful_output_is_not_another_than_its_namesake():
    with pytest.raises(ConfigError, match=r"'Harm', found 'other'; .* use model\.label_map"):
        with_positive(["other", "Harm", "safe"], ["safe", "harm"], [1], None, "other")
