from __future__ import annotations

import pytest
import torch

from tests.toy_texts import texts_of
from vos.errors import ConfigError, DataError
from vos.generation.generate import real_texts
from vos.generation.prompts import PromptSettings, RealTexts, compose
from vos.types import Example


@pytest.fixture
def real(featurizer, space):
    examples = [Example(f"r{i}", text, i % 2) for i, text in enumerate(texts_of(60, seed=5))]
    return real_texts([*examples, Example("unlabelled", "w1 w2")], featurizer, space)


def test_labelled_texts_get_their_place(real, featurizer, space):
    assert len(real.ids) == 60
    assert "unlabelled" not in real.ids
    batch = featurizer.featurize(real.texts)
    torch.testing.assert_close(real.coordinates, space.coordinates(batch.features))
    torch.testing.assert_close(real.margins, batch.logits[:, 1] - batch.logits[:, 0])
    assert real.labels.tolist() == [0, 1] * 30


def composed(real, space, targets, served=None, seed=0, **options):
    served = range(len(targets)) if served is None else served
    generator = torch.Generator().manual_seed(seed)
    return compose(real, space, targets.coordinates, list(served), PromptSettings(**options), generator)


def test_every_target_is_served_once_and_prompts_hold_both_sides(real, space, targets):
    prompts = composed(real, space, targets, prompts=3)
    assert len(prompts) == 3
    assert sorted(t for prompt in prompts for t in prompt.targets) == list(range(7))
    labels = dict(zip(real.ids, real.labels.tolist(), strict=True))
    texts = dict(zip(real.ids, real.texts, strict=True))
    for prompt in prompts:
        assert sorted(labels[parent] for parent in prompt.parents) == [0, 0, 0, 1, 1, 1]
        assert prompt.text == "".join(f"- {texts[parent]}\n" for parent in prompt.parents) + "-"
        assert prompt.shots == tuple(texts[parent] for parent in prompt.parents)
    assert len({prompt.hash for prompt in prompts}) == 3


def test_without_variety_the_examples_are_the_nearest(real, space, targets):
    (prompt,) = composed(real, space, targets, served=[4], relevance=1.0)
    near = space.distances(real.coordinates, targets.coordinates[4:5])[:, 0]
    expected = set()
    for label in (0, 1):
        rows = sorted((i for i in range(60) if i % 2 == label), key=lambda i: float(near[i]))[:3]
        expected |= {real.ids[i] for i in rows}
    assert set(prompt.parents) == expected


def test_variety_sets_examples_apart(real, space, targets):
    def spread(relevance):
        (prompt,) = composed(real, space, targets, served=[4], relevance=relevance)
        rows = [real.ids.index(parent) for parent in prompt.parents]
        return float(space.distances(real.coordinates[rows], real.coordinates[rows]).sum())

    assert spread(0.2) > spread(1.0)


def test_same_seed_same_prompts(real, space, targets):
    first, again, other = (composed(real, space, targets, seed=seed) for seed in (0, 0, 1))
    assert first == again != other


def test_few_or_no_targets(real, space, targets):
    assert composed(real, space, targets, served=[]) == ()
    assert [prompt.targets for prompt in composed(real, space, targets, served=[5])] == [(5,)]


def test_one_side_only_is_refused(real, space, targets):
    row = slice(0, 1)
    with pytest.raises(DataError, match=r"at least two classes.*got 1 texts of classes \[0\]"):
        RealTexts(real.ids[row], real.texts[row], real.coordinates[row], real.margins[row], real.labels[row])
    with pytest.raises(DataError, match="no text of class 0 has at most max_words=2 words"):
        composed(real, space, targets, max_words=2)
    for options in ({"prompts": 0}, {"shots_per_side": 0}, {"relevance": 1.5}, {"max_words": 0}):
        with pytest.raises(ConfigError, match="prompts: expected"):
            PromptSettings(**options)
