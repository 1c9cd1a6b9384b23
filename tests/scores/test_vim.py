from __future__ import annotations

import numpy as np
import pytest
import torch

from tests import oracles
from tests.contracts import check_score, toy_features, toy_head
from vos.errors import ConfigError, DataError, NotFittedError, ShapeError
from vos.scores import ViM
from vos.types import LinearHead


@pytest.mark.parametrize("n_principal", [1, 3])
def test_vim_equals_the_literal_formula(n_principal):
    features, further = toy_features(30, 3, 5)[0].double(), toy_features(4, 3, 5, seed=7)[0].double()
    head = toy_head(3, 5, dtype=torch.float64)
    vim = ViM(5, n_principal).fit(features, head)
    arrays = (t.numpy() for t in (features, head.weight, head.bias))
    expected = oracles.naive_vim(*arrays, n_principal, further.numpy())
    # Ours is the logit of the paper's probability: log p / (1 - p).
    np.testing.assert_allclose(vim(further, head.logits(further)).sigmoid(), expected, rtol=1e-8)


def test_vim_behaves_as_every_score_and_travels():
    features, head = toy_features(30, 3, 6)[0], toy_head(3, 6)
    vim = ViM(6).fit(features, head)
    assert vim.residual.shape == (6, 3)
    # Along a direction that no logit and no leading direction sees, the residual alone grows.
    unseen = torch.linalg.svd(torch.cat([head.weight.double(), torch.eye(6)[:2].double()]))[2][-1].float()
    check_score(lambda h: vim(h, head.logits(h)), features[:5], features[:5] + 100.0 * unseen)
    expected = vim(features, head.logits(features))
    other = ViM(6)
    other.load_state_dict(vim.half().state_dict())
    assert torch.equal(other(features, head.logits(features)), expected)


@pytest.mark.parametrize(("d", "n_residual"), [(2048, 1048), (1024, 512), (384, 192)])
def test_vim_leaves_out_as_many_directions_as_the_paper(d, n_residual):
    assert ViM(d).residual.shape == (d, n_residual)


def test_vim_before_the_fit_and_other_shapes_are_refused():
    with pytest.raises(NotFittedError, match="call fit"):
        ViM(4)(torch.zeros(2, 4), torch.zeros(2, 3))
    with pytest.raises(ConfigError, match=r"\[1, 4\), got 4"):
        ViM(4, 4)
    with pytest.raises(ConfigError, match="got 0"):
        ViM(1)


def test_features_and_heads_of_other_shapes_are_refused():
    features, head = toy_features(10, 3, 4)[0], toy_head(3, 4)
    for bad in (torch.zeros(3, 5), torch.zeros(4), torch.zeros(0, 4)):
        with pytest.raises(ShapeError, match=r"expected features \(n, 4\)"):
            ViM(4).fit(bad, head)
    wrong = (
        LinearHead(head.weight, head.bias[:2]),
        LinearHead(head.weight[:, :3], head.bias),
        LinearHead(head.weight[:0], head.bias[:0]),
    )
    for bad in wrong:
        with pytest.raises(ShapeError, match=r"head with weight \(C, 4\) and bias \(C,\)"):
            ViM(4).fit(features, bad)
    vim = ViM(4).fit(features, head)
    with pytest.raises(ShapeError, match=r"expected features \(n, 4\)"):
        vim(torch.zeros(4), torch.zeros(1, 3))
    with pytest.raises(ShapeError, match="logits"):
        vim(features, torch.zeros(3))


def test_a_scale_that_would_turn_the_score_around_is_refused():
    features, head = toy_features(30, 3, 5)[0].double(), toy_head(3, 5, dtype=torch.float64)
    low = LinearHead(head.weight, head.bias - 100.0)
    assert low.logits(features).amax(-1).mean() < 0.0
    vim = ViM(5).fit(features, head)
    before = {name: buffer.clone() for name, buffer in vim.named_buffers()}
    with pytest.raises(DataError, match="expected largest logits that are positive in the mean, found -"):
        vim.fit(features, low)
    assert all(torch.equal(buffer, before[name]) for name, buffer in vim.named_buffers())
    assert vim.scale > 0.0
    untouched = ViM(5)
    with pytest.raises(DataError, match="positive in the mean"):
        untouched.fit(features, LinearHead(torch.zeros(3, 5), torch.zeros(3)))  # a head of zeros: α = 0
    assert not untouched.fitted


@pytest.mark.parametrize("n", [1, 3])
def test_texts_that_span_no_more_than_the_principal_space_are_refused(n):
    features, head = toy_features(30, 3, 5)[0].double(), toy_head(3, 5, dtype=torch.float64)
    with pytest.raises(DataError, match=f"outside of their 3 leading directions, found none in {n} texts"):
        ViM(5, 3).fit(features[:n], head)
    assert ViM(5, 3).fit(features[::20], head).fitted  # five texts


def test_features_of_a_model_that_diverged_are_refused():
    features = toy_features(10, 3, 4)[0]
    features[3, 1] = torch.nan
    with pytest.raises(DataError, match="finite features, found 1 of 30 rows"):
        ViM(4).fit(features, toy_head(3, 4))
