"""The distribution of held-out distances: its quantiles, and its tail beyond the largest."""

import numpy as np
import pytest
from scipy import stats

from vos.density.calibration import HeldOutLaw

SHARES = np.array([1e-6, 0.01, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999, 1 - 1e-6, 1 - 1e-12])


def law(values, d=384):
    return HeldOutLaw(np.sort(np.asarray(values, dtype=np.float64)), d)


def drawn(kind, n, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "chi-square": lambda: rng.chisquare(384, n) * 1.5,
        "heavy": lambda: rng.standard_t(1, n) ** 2 * 400,  # no mean
        "light": lambda: rng.uniform(300, 400, n),
        "equal": lambda: np.full(n, 500.0),
        "tied": lambda: rng.integers(3, 6, n) * 100.0,
    }[kind]()


def test_the_kth_of_n_distances_is_the_quantile_k_over_n_plus_one_and_between_them_is_a_line():
    few = law([4.0, 9.0, 5.0])
    np.testing.assert_allclose(few.squared_radius(np.array([0.75, 0.5, 0.375, 0.25])), [4.0, 5.0, 7.0, 9.0])
    np.testing.assert_allclose(few.share_beyond(np.array([4.0, 5.0, 7.0, 9.0])), [0.75, 0.5, 0.375, 0.25])
    assert few.largest_measured == 0.75


@pytest.mark.parametrize("kind", ["chi-square", "heavy", "light", "equal", "tied"])
@pytest.mark.parametrize("n", [1, 2, 3, 5, 11, 29, 30, 31, 100, 1000])
def test_radii_grow_with_the_distance_and_stay_finite_whatever_was_held_out(kind, n):
    found = law(drawn(kind, n))
    radii = found.squared_radius(1.0 - SHARES)
    assert np.isfinite(radii).all()
    assert (radii >= 0.0).all()
    assert (np.diff(radii) >= 0.0).all()
    # Beyond the largest they do grow, up to where a bounded tail ends within rounding.
    assert radii[SHARES == 0.999] > found.squared[-1] or n >= 999
    assert radii[SHARES == 0.999] < found.squared[-1] + 20.0 * max(np.ptp(found.squared), found.squared[-1])


@pytest.mark.parametrize("kind", ["chi-square", "heavy", "light"])
@pytest.mark.parametrize("n", [1, 2, 5, 30, 300])
def test_the_share_beyond_a_radius_is_the_inverse(kind, n):
    found = law(drawn(kind, n))
    shares = SHARES[(SHARES <= 0.999)]
    back = found.share_beyond(found.squared_radius(1.0 - shares))
    np.testing.assert_allclose(back, 1.0 - shares, rtol=1e-6)
    assert found.share_beyond(np.array([0.0]))[0] == 1.0
    assert found.share_beyond(np.array([1e300]))[0] == pytest.approx(0.0, abs=1e-9)


def test_distances_of_zero_leave_radii_of_zero():
    nothing = law(np.zeros(12))
    assert (nothing.squared_radius(1.0 - SHARES) == 0.0).all()
    np.testing.assert_allclose(nothing.share_beyond(np.array([0.0, 1.0]))[1], 0.0)


@pytest.mark.parametrize("kind", ["chi-square", "heavy", "light"])
@pytest.mark.parametrize(("n", "share"), [(5, 0.5), (30, 0.5), (30, 0.9), (100, 0.9), (100, 0.99), (300, 0.99)])
def test_a_new_text_lies_beyond_a_radius_as_often_as_it_says(kind, n, share):
    # Mean over 2,000 held-out sets of the exact share beyond; its spread over sets is at most that of Beta, so five
    # standard errors fail one time in 1.7 million. Interpolation adds at most a tenth of 1/n, extrapolation half of it.
    sets, rng = 2000, np.random.default_rng(1)
    laws = {
        "chi-square": stats.chi2(384),
        "heavy": stats.f(1, 1),
        "light": stats.uniform(3, 1),
    }
    of = laws[kind]
    beyond = [
        float(of.sf(law(row).squared_radius(np.array([1.0 - share]))[0])) for row in of.rvs((sets, n), random_state=rng)
    ]
    error = 5.0 * np.sqrt(share * (1.0 - share) / (n + 2) / sets)
    assert abs(np.mean(beyond) - (1.0 - share)) < error + (0.1 if share * (n + 1) < n else 0.5) / n


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.3])
def test_the_tail_finds_the_shape_and_the_quantiles_of_one_that_is_known(shape):
    # 20,000 draws, 2,000 in the tail: the shape has a standard error of about 0.03, five of them are 0.15; shrinking by
    # 10 of 2,010 takes less than 0.002. The quantile beyond the largest text is then right to a fifth.
    of = stats.genpareto(shape, loc=5.0, scale=2.0)
    found = law(of.rvs(20_000, random_state=np.random.default_rng(2)), 10)
    assert found.tail[0] == pytest.approx(shape, abs=0.15)
    far = found.squared_radius(np.array([1e-5]))[0] - 5.0
    assert far == pytest.approx(of.isf(1e-5) - 5.0, rel=0.25 if shape <= 0 else 0.6)
