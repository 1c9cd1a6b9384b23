from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from tests import oracles
from tests.contracts import check_outlier_sampler, toy_density, toy_head
from vos.errors import ConfigError, InfeasibleError
from vos.outliers import LogitSampler


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("tied", [True, False])
def test_it_behaves_as_every_sampler(n_classes, tied):
    logits = [0.5, -0.2, 0.1][:n_classes]
    check_outlier_sampler(LogitSampler(logits=logits, relative=False), n_classes, tied)
    check_outlier_sampler(LogitSampler(logits=logits, relative=True, distance=0.99999999), n_classes, tied)


@pytest.mark.parametrize("tied", [True, False])
def test_logits_are_met(tied, generator):
    density, head = toy_density(3, 6, tied), toy_head(3, 6, dtype=torch.float64)
    wanted = torch.tensor([1.0, -1.0, 0.3], dtype=torch.float64)
    drawn = LogitSampler(logits=wanted.tolist(), relative=False)(density, head, 5, generator)
    torch.testing.assert_close(head.logits(drawn.features), wanted.expand(15, 3))
    relative = LogitSampler(logits=wanted.tolist(), relative=True)(density, head, 5, generator)
    logits = head.logits(relative.features)
    torch.testing.assert_close(logits - logits[:, :1], (wanted - wanted[0]).expand(15, 3))
    assert logits[:, 0].std() > 0.1
    shell = LogitSampler(logits=[0.0] * 3, relative=True, distance=1 - 1e-12)(density, head, 5, generator)
    torch.testing.assert_close(shell.mahalanobis, torch.full((15,), float(stats.chi2(6).ppf(1 - 1e-12))).double())


@pytest.mark.parametrize("relative", [True, False])
def test_prescribed_logits_equal_rejection(relative):
    # d = 4 and two logits; of 2 million draws those within 0.05 of what is prescribed (some thousands) against as many
    # exact draws: coordinates, logits and squared radius, two-sample KS for a failure rate of 1e-6 over seven.
    density, head = toy_density(2, 4), toy_head(2, 4, dtype=torch.float64)
    density.ready[1] = False
    wanted = head.logits(density.means[0]) + torch.tensor([0.6, -0.4]).double()

    def gaps(h):
        off = head.logits(h) - wanted
        return off[:, 1:] - off[:, :1] if relative else off

    generator = torch.Generator().manual_seed(0)
    kept = oracles.rejected_at_values(density.means[0], density.cholesky, gaps, 0.05, 2_000_000, generator)[:8000]
    assert len(kept) > 800
    drawn = LogitSampler(logits=wanted.tolist(), relative=relative)(density, head, len(kept), generator)
    pairs = [*zip(kept.T, drawn.features.T, strict=True), (density.mahalanobis(kept)[:, 0], drawn.mahalanobis)]
    if relative:  # else the logits of what is kept fill the tolerance, and those of the draws are a point
        pairs += zip(head.logits(kept).T, head.logits(drawn.features).T, strict=True)
    for a, b in pairs:
        assert oracles.ks_distance(a, b) < oracles.ks_critical(len(kept), len(kept), 1e-6 / 7)


def test_options_that_cannot_work_are_refused(generator):
    with pytest.raises(ConfigError, match="at least two"):
        LogitSampler(logits=[1.0], relative=False)
    with pytest.raises(ConfigError, match=r"\(0, 1\)"):
        LogitSampler(logits=[1.0, 0.0], distance=1.0, relative=False)
    for bad in (math.nan, math.inf, -math.inf):
        with pytest.raises(ConfigError, match=r"outliers\.logits: expected finite numbers"):
            LogitSampler(logits=[0.0, bad], relative=False)
    with pytest.raises(ConfigError, match="expected 3, got 2"):
        LogitSampler(logits=[1.0, 0.0], relative=False)(toy_density(3, 4), toy_head(3, 4), 1, generator)
    with pytest.raises(InfeasibleError, match="class 0: no point has margin 50"):
        LogitSampler(logits=[50.0, 0.0], distance=0.5, relative=False)(toy_density(2, 4), toy_head(2, 4), 1, generator)
