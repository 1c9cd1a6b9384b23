import pytest

from vos.data.labels import LabelCodec, class_order, label_key, natural_key
from vos.errors import ConfigError


@pytest.mark.parametrize(
    ("value", "key"),
    [(0, "0"), (0.0, "0"), (1.5, "1.5"), (True, "True"), (" a ", "a"), ("", None), (None, None), (float("nan"), None)],
)
def test_label_key(value, key):
    assert label_key(value) == key


def test_natural_order():
    assert sorted(["b2", "b10", "10", "9", "-1.5", "b"], key=natural_key) == ["-1.5", "9", "10", "b", "b2", "b10"]


def test_positive_is_last_of_two():
    assert class_order(("hate", "neutral"), "hate") == ("neutral", "hate")
    assert class_order(("hate", "neutral"), None) == ("hate", "neutral")
    assert class_order(("0", "1"), 0) == ("1", "0")  # YAML reads 0 as an integer


@pytest.mark.parametrize(
    ("names", "message"), [(("a", "b"), "found 'x'"), (("a", "b", "x"), "expected two classes, found 3")]
)
def test_positive_that_cannot_be(names, message):
    with pytest.raises(ConfigError, match=message):
        class_order(names, "x")


def test_codec_by_map_merges_classes():
    codec = LabelCodec(["ignored"], {0: "harmful", "1": "harmful", "2": "fine"}, None, "harmful")
    assert codec.names == ("fine", "harmful")
    assert [codec.index(raw) for raw in ("0", "1", "2", "3")] == [1, 1, 0, None]
    assert codec.known == ("0", "1", "2")


def test_codec_by_declared_names_keeps_their_order():
    codec = LabelCodec(["a"], None, ("z", "a"), None)
    assert codec.names == ("z", "a")
    assert codec.index("a") == 1


def test_codec_by_the_labels_found():
    assert LabelCodec(["10", "9", "9"], None, None, None).names == ("9", "10")
