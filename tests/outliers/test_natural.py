"""Natural radii of all samplers from held-out texts, and their distribution if only margins or logits are prescribed.

The oracle is literal: points with radii from the distribution in uniform directions, of which those that have the
prescribed values, up to a tolerance, are kept. It uses no formula.
"""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from tests.contracts import toy_density, toy_head
from vos.density.calibration import HeldOutLaw
from vos.outliers import BoundarySampler, EnergySampler, LogitSampler, TailSampler, draw_at_class_values
from vos.outliers._natural import natural_radii, weighted_radii

D = 6


def calibrated(n=99, stretch=3.0, n_classes=2, tied=True):
    """A density whose held-out texts lie `stretch` times as far out as they should, heavy-tailed."""
    density, generator = toy_density(n_classes, D, tied), torch.Generator().manual_seed(7)
    labels = torch.arange(n) % n_classes
    z = stretch * torch.randn(n, D, generator=generator).double() * (0.5 + torch.rand(n, 1, generator=generator))
    return density.calibrate(density.color(z, labels), labels)


def literal(squared, values, width, n, seed=0):
    """Squared radii of points in uniform directions whose first coordinates lie within `width` of the values."""
    rng = np.random.default_rng(seed)
    kept = []
    for _ in range(40):
        places = np.sort(squared)
        r = np.sqrt(np.interp(rng.uniform(0, 1, n), np.arange(1, len(places) + 1) / (len(places) + 1), places))
        z = rng.standard_normal((n, D))
        z *= (r / np.linalg.norm(z, axis=1))[:, None]
        at = np.all([np.abs(z[:, i] - value) < width for i, value in enumerate(values)], axis=0)
        kept.append(r[at] ** 2)
    return np.concatenate(kept)


@pytest.mark.parametrize("values", [(0.0,), (1.5,), (3.0,), (1.0, 2.0)])
def test_radii_at_given_values_are_those_of_points_that_happen_to_have_them(values):
    rng = np.random.default_rng(3)
    squared = np.sort(rng.chisquare(D, 5000) * rng.uniform(0.3, 2.0, 5000))
    expected = literal(squared, values, 0.03 if len(values) == 1 else 0.1, 200_000)
    n = 20_000
    smallest = np.full(n, float(np.square(values).sum()))
    found = weighted_radii(HeldOutLaw(squared, D), smallest, len(values), rng.uniform(0, 1, (2, n)))
    assert (found >= smallest).all()
    # Smirnov's bound of two samples for a failure rate of 1e-6, and 0.01 for the width that the oracle allows.
    bound = math.sqrt(-0.5 * math.log(1e-6 / 2) * (1 / n + 1 / len(expected)))
    assert len(expected) > 2000
    assert stats.ks_2samp(found, expected).statistic < bound + 0.01


@pytest.mark.parametrize(("d", "nearest"), [(50, 0.0), (50, 2.0), (384, 3.0), (3, 1.0), (2, 1.0)])
def test_of_texts_that_are_normal_the_law_is_that_of_a_gaussian(d, nearest):
    # 20,000 held-out texts at exact quantiles leave r² = e² + χ²_{d-1}; DKW for 20,000 draws and a rate of 1e-6, and
    # 0.01 for what the cells and the end of the held-out texts blur.
    n = 20_000
    squared = stats.chi2(d).ppf(np.arange(1, n + 1) / (n + 1)) * 2.5
    u = np.random.default_rng(0).uniform(0, 1, (2, n))
    found = weighted_radii(HeldOutLaw(squared, d), np.full(n, 2.5 * nearest**2), 1, u)
    law = stats.chi2(d - 1, loc=nearest**2, scale=1.0).cdf
    assert stats.kstest(found / 2.5, law).statistic < math.sqrt(-0.5 * math.log(1e-6 / 2) / n) + 0.01


def test_where_no_text_is_as_far_out_the_law_is_a_gaussian_of_the_calibrated_size():
    d, n = 40, 4000
    squared = np.sort(np.random.default_rng(0).chisquare(d, 300) * 2.0)
    smallest = np.full(n, 4.0 * squared[-1])
    found = weighted_radii(HeldOutLaw(squared, d), smallest, 1, np.random.default_rng(1).uniform(0, 1, (2, n)))
    size = np.median(squared) / stats.chi2(d).ppf(0.5)
    law = stats.chi2(d - 1, scale=size).cdf
    assert stats.kstest(found - smallest, law).statistic < math.sqrt(-0.5 * math.log(1e-6 / 2) / n)


def test_a_density_that_is_not_calibrated_keeps_the_exact_chi_law():
    density, generator = toy_density(2, D), torch.Generator().manual_seed(0)
    assert natural_radii(density, torch.tensor([0]), torch.ones(1).double(), 1, generator) is None
    head, state = toy_head(2, D, dtype=torch.float64), torch.Generator().manual_seed(0)
    drawn = BoundarySampler(band=0.0)(density, head, 20_000, state)
    gap = torch.stack([density.pull_back(head.weight[1:] - head.weight[:1], c)[0] for c in (0, 1)])
    at_mean = head.logits(density.means)
    nearest = ((at_mean[:, 0] - at_mean[:, 1]).abs() / gap.norm(dim=1))[drawn.labels]
    rest = (drawn.mahalanobis - nearest.square()).numpy()
    assert stats.kstest(rest, stats.chi2(D - 1).cdf).statistic < math.sqrt(-0.5 * math.log(1e-6 / 2) / 40_000)


@pytest.mark.parametrize("distance", [0.1, 0.5, 0.9, 0.99, 0.999])
@pytest.mark.parametrize("tied", [True, False])
def test_every_sampler_meets_the_calibrated_radius(distance, tied):
    density, head = calibrated(stretch=9.0, tied=tied), toy_head(2, D, dtype=torch.float64)
    means = density.means.mean(0)
    head = head._replace(bias=head.bias - head.logits(means[None])[0])  # the boundary runs between the classes
    # The radius by hand: the line between order statistics, or beyond the largest.
    held = density.held_out * density.training_scale
    place = distance * 100 - 1
    for sampler in (
        TailSampler(distance=distance),
        BoundarySampler(distance=distance, band=0.01),
        LogitSampler(logits=[0.0, 0.0], distance=distance),
    ):
        drawn = sampler(density, head, 5, torch.Generator().manual_seed(0))
        measured = density.mahalanobis(drawn.features).gather(1, drawn.labels[:, None])[:, 0]
        torch.testing.assert_close(measured, drawn.mahalanobis, rtol=1e-6, atol=1e-6)
        if place <= 98:
            low = int(place)
            radius = held[low] + (place - low) * (held[min(low + 1, 98)] - held[low])
            torch.testing.assert_close(drawn.mahalanobis, radius.expand(10))
        else:
            assert (drawn.mahalanobis > held[-1]).all()


def test_the_variants_of_the_paper_follow_the_held_out_law():
    density, head = calibrated(), toy_head(2, D, dtype=torch.float64)
    held = (density.held_out * density.training_scale).numpy()
    generator = torch.Generator().manual_seed(0)
    n = 20_000
    drawn = TailSampler(epsilon=0.5)(density, head, n, generator).mahalanobis.numpy()
    # Given that it lies in the outer half, a held-out text is one of the upper 50 of 99: uniform between them.
    places = np.interp(drawn[drawn <= held[-1]], held, np.arange(1, 100) / 100)
    assert places.min() >= 0.5 - 1e-9
    shares = stats.uniform(0.5, 0.49).cdf
    assert stats.kstest(places, shares).statistic < math.sqrt(-0.5 * math.log(1e-6 / 2) / len(places))
    # All of 40 draws kept are 40 texts, whose number below the median is binomial: 5 sigma.
    kept = torch.cat([TailSampler(draws=40)(density, head, 40, generator).mahalanobis for _ in range(50)]).numpy()
    assert abs((kept < held[49]).mean() - 0.5) < 5 * 0.5 / math.sqrt(len(kept))


@pytest.mark.parametrize("tied", [True, False])
def test_logits_and_energies_are_met_at_calibrated_radii(tied):
    density, head = calibrated(stretch=20.0, tied=tied), toy_head(2, D, dtype=torch.float64)
    held = density.held_out * density.training_scale
    logits = LogitSampler(logits=[1.0, 0.5], relative=False)(density, head, 500, torch.Generator().manual_seed(0))
    torch.testing.assert_close(head.logits(logits.features), torch.tensor([1.0, 0.5]).double().expand(1000, 2))
    energies = EnergySampler(energy=-2.0)(density, head, 500, torch.Generator().manual_seed(0))
    found = -head.logits(energies.features).logsumexp(-1)
    torch.testing.assert_close(found, torch.full((1000,), -2.0).double())
    for drawn in (logits, energies):
        assert float(drawn.mahalanobis.median()) > 0.2 * float(held.median())  # a Gaussian's lies at a hundredth
        assert float(drawn.mahalanobis.max()) <= float(density.squared_radii(0.999, torch.tensor([0]))) * 1.0001


def test_a_single_free_point_has_the_radius_that_it_has():
    density = calibrated()
    normals, values = torch.eye(D).double(), torch.randn(1, D, generator=torch.Generator().manual_seed(0)).double()
    h = draw_at_class_values(
        density, torch.tensor([0]), normals, torch.zeros(D), values, None, torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(h, values)
