import pytest

from vos.data.labels import LabelCodec, label_key, natural_key
from vos.errors import ConfigError
from vos.harmful import harmful_classes


@pytest.mark.parametrize(
    ("value", "key"),
    [
        *((0, "0"), (0.0, "0"), (1.5, "1.5"), (True, "True"), (" a ", "a"), ("", None), (None, None)),
        *((float("nan"), None), ("1.0", "1"), ("1.000e+00", "1"), ("-2.E+01", "-20"), ("1.5e+00", "1.5e+00")),
        *(("1e5", "1e5"), ("1.0e-01", "1.0e-01")),
    ],
)
def test_label_key(value, key):
    assert label_key(value) == key


def test_natural_order():
    assert sorted(["b2", "b10", "10", "9", "-1.5", "b"], key=natural_key) == ["-1.5", "9", "10", "b", "b2", "b10"]


@pytest.mark.parametrize(
    ("raw", "positive", "names", "harmful"),
    [
        (("hate", "neutral"), "hate", ("neutral", "hate"), (1,)),
        (("harm", "safe"), None, ("safe", "harm"), (1,)),
        (("0", "1"), 0, ("1", "0"), (1,)),  # YAML reads 0 as an integer
        (("hate", "neither", "offensive"), ["offensive", "hate"], ("neither", "hate", "offensive"), (1, 2)),
        (("b", "a", "c"), "none", ("a", "b", "c"), ()),
    ],
)
def test_harmful_classes_come_last(raw, positive, names, harmful):
    codec = LabelCodec(raw, None, None, positive)
    assert (codec.names, codec.harmful) == (names, harmful)
    assert [codec.index(name) for name in names] == list(range(len(names)))


def test_codec_by_map_merges_classes():
    codec = LabelCodec(["ignored"], {0: "harmful", "1": "harmful", "2": "fine"}, None, "harmful")
    assert codec.names == ("fine", "harmful")
    assert [codec.index(raw) for raw in ("0", "1", "2", "3")] == [1, 1, 0, None]
    assert codec.known == ("0", "1", "2")


def test_codec_by_declared_names_keeps_their_order():
    codec = LabelCodec(["a"], None, ("z", "a"), "none")
    assert codec.names == ("z", "a")
    assert codec.index("a") == 1


def test_codec_by_the_labels_found():
    assert LabelCodec(["10", "9", "9"], None, None, "none").names == ("9", "10")


@pytest.mark.parametrize(
    ("names", "example"),
    [
        (("hate", "insult", "safe"), "'data.positive=[hate,insult]'"),
        (("hate speech", "insult", "safe"), "'data.positive=[hate speech,insult]'"),
        (('"harm"', '"harm"\r[', '"safe"'), "'data.positive=[CLASS,CLASS]'"),
        (("hate, mild", "insult", "safe"), "'data.positive=[CLASS,CLASS]'"),
    ],
)
def test_an_example_of_harmful_classes_can_be_typed_as_it_stands(names, example):
    with pytest.raises(ConfigError) as refused:
        harmful_classes(names)
    assert f"such as {example}" in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
