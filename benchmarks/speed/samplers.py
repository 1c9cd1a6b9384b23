"""The exact tail sampler compared with the original algorithm: `python -m benchmarks.speed.samplers [--quick]`.

The original algorithm is that of VOS (`train_virtual.py:222-236`): for every class build the Gaussian, draw 10,000
points, rank them by log-density, keep the least likely. It runs in float32 as in the released code, the exact sampler
in float64. Three things are measured:

1. Times, both in this process. `ratio` excludes the Cholesky factorisation on both sides; `ratio_released` lets the
   original algorithm factorise once per class, as the released code does, and the exact one once for all classes.
2. Agreement: Kolmogorov-Smirnov distance and p-value of the squared radius and of one coordinate, n rounds each.
3. Detectability of tail draws: AUROC of ID features against them, by the energy of the best two-class head, and by the
   Mahalanobis distance.

The full size takes about half an hour on an idle machine; `--quick` times two classes and scales up (`classes_timed`),
and compares distributions at 500 draws instead of 10,000. The last line is one JSON object.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from scipy import stats
from torch import Tensor

from benchmarks._common import command_line, finish, machine
from vos.density import ClassConditionalGaussian
from vos.metrics import auroc
from vos.metrics.boundary import outlier_energy_auroc
from vos.outliers import TailSampler
from vos.scores import mahalanobis
from vos.types import LinearHead

DRAWS = 10_000


def make_density(n_classes: int, d: int, seed: int = 0) -> ClassConditionalGaussian:
    """A tied density with a spectrum that falls as 1/k, as that of text encoders does, and random means."""
    generator = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64)).Q
    covariance = (basis / torch.arange(1, d + 1)) @ basis.mT
    density = ClassConditionalGaussian(n_classes, d)
    density.means.copy_(torch.randn(n_classes, d, generator=generator, dtype=torch.float64))
    density.cholesky.copy_(torch.linalg.cholesky(covariance))
    density.ready.fill_(True)
    return density


def literal_class(mean: Tensor, n_draws: int, generator: torch.Generator, **shape: Tensor) -> Tensor:
    """The least likely of `n_draws` draws of one class; `shape` as of MultivariateNormal."""
    gaussian = torch.distributions.MultivariateNormal(mean, validate_args=False, **shape)
    z = torch.randn(n_draws, len(mean), generator=generator)
    draws = mean + z @ gaussian.scale_tril.mT  # what rsample does, with a generator of our own
    return draws[(-gaussian.log_prob(draws)).topk(1).indices[0]]


def seconds(call: Callable[[], object], repeats: int) -> float:
    """Shortest time of a call, after one to warm up: what else runs on the machine can only add to it."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def compare_times(n_classes: int, d: int, quick: bool) -> dict[str, float]:
    """Milliseconds for one draw of every class, and the ratios."""
    density = make_density(n_classes, d)
    head = LinearHead(torch.zeros(n_classes, d), torch.zeros(n_classes))
    generator = torch.Generator().manual_seed(0)
    means, factor = density.means.float(), density.cholesky.float()
    covariance = (density.cholesky @ density.cholesky.mT).float()
    timed = min(n_classes, 2) if quick else n_classes
    repeats = 1 if timed > 2 else 5
    scale = 1e3 * n_classes / timed

    def literal(**shape: Tensor) -> None:
        for mean in means[:timed]:
            literal_class(mean, DRAWS, generator, **shape)

    literal_ms = scale * seconds(lambda: literal(scale_tril=factor), repeats)
    released_ms = scale * seconds(lambda: literal(covariance_matrix=covariance), repeats)
    sampler = TailSampler(draws=DRAWS)
    exact_ms = 1e3 * seconds(lambda: sampler(density, head, 1, generator), 50)
    factor_ms = 1e3 * seconds(lambda: torch.linalg.cholesky(covariance.double()), 5)
    return {
        "literal_ms": literal_ms,
        "released_ms": released_ms,
        "exact_ms": exact_ms,
        "factor_ms": factor_ms,
        "ratio": literal_ms / exact_ms,
        "ratio_released": released_ms / (exact_ms + factor_ms),
        "classes_timed": timed,
    }


def compare_laws(d: int, n: int, n_draws: int) -> dict[str, float]:
    """KS of squared radius and first coordinate over n rounds of each sampler, and of ten times as many exact radii.

    The last are held against the closed form `P(max r² <= x) = F(x)^n_draws`, F the chi-square law: a sharper test than
    two samples can be, at no cost. Read a small two-sample p beside it: one seed in a hundred has p < 0.01.
    """
    density = make_density(1, d)
    head = LinearHead(torch.zeros(1, d, dtype=torch.float64), torch.zeros(1, dtype=torch.float64))
    generator = torch.Generator().manual_seed(1)
    mean, factor = density.means[0].float(), density.cholesky.float()
    literal = torch.stack([literal_class(mean, n_draws, generator, scale_tril=factor) for _ in range(n)])
    sampler = TailSampler(draws=n_draws)
    exact = torch.cat([sampler(density, head, 1, generator).features for _ in range(n)])
    radii = torch.cat([sampler(density, head, 1, generator).mahalanobis for _ in range(10 * n)])
    tests = {
        "radius": stats.ks_2samp(density.mahalanobis(literal)[:, 0].numpy(), density.mahalanobis(exact)[:, 0].numpy()),
        "coordinate": stats.ks_2samp(literal[:, 0].numpy(), exact[:, 0].numpy()),
        "closed_form": stats.kstest(radii.numpy(), lambda x: stats.chi2(d).cdf(x) ** n_draws),
    }
    names = (("ks", "statistic"), ("p", "pvalue"))
    return {f"{short}_{name}": float(getattr(test, long)) for name, test in tests.items() for short, long in names}


def compare_outliers(gap: float, d: int, n: int) -> dict[str, float]:
    """AUROC of ID against the paper's tail draws, two unit Gaussians `gap` apart and the head that is best for them."""
    density = ClassConditionalGaussian(2, d)
    density.means[:, 0] = torch.tensor([-gap / 2, gap / 2])
    density.ready.fill_(True)
    head = LinearHead(density.means, -0.5 * density.means.square().sum(-1))
    generator = torch.Generator().manual_seed(2)
    texts = density.sample(n, generator)[0]
    outliers = torch.cat([TailSampler(draws=DRAWS)(density, head, 1, generator).features for _ in range(n)])
    return {
        "energy_auroc": float(outlier_energy_auroc(head.logits(texts), head.logits(outliers))),
        "mahalanobis_auroc": float(auroc(mahalanobis(density, texts), mahalanobis(density, outliers))),
    }


def main() -> None:
    """Print the tables and the JSON line."""
    quick = command_line(__doc__, quick="about a minute").parse_args().quick
    figures: dict[str, float] = {"draws": DRAWS}
    print(
        f"{'d':>4} {'C':>4} {'literal ms':>12} {'released ms':>12} {'exact ms':>9} {'ratio':>9} {'ratio released':>15}"
    )
    for d in (384, 768):
        for n_classes in (2, 150):
            times = compare_times(n_classes, d, quick)
            figures |= {f"d{d}_c{n_classes}_{name}": value for name, value in times.items()}
            print(
                f"{d:4} {n_classes:4} {times['literal_ms']:12,.1f} {times['released_ms']:12,.1f} "
                f"{times['exact_ms']:9.3f} {times['ratio']:9,.0f} {times['ratio_released']:9,.0f}"
            )
    n, n_draws = 2_000, 500 if quick else DRAWS
    figures["laws_draws"] = n_draws
    print(f"\nsame law: {n:,} rounds, the least likely of {n_draws:,} draws in each; KS distance and p")
    print(f"{'d':>4} {'radius':>16} {'coordinate':>16} {'closed form':>16}")
    for d in (384,) if quick else (384, 768):
        laws = compare_laws(d, n, n_draws)
        figures |= {f"d{d}_n{n}_{name}": value for name, value in laws.items()}
        shown = (
            f"{laws[f'ks_{name}']:9.4f} {laws[f'p_{name}']:6.3f}" for name in ("radius", "coordinate", "closed_form")
        )
        print(f"{d:4}", *shown)
    print(f"\nwhat two logits see at d = 768\n{'gap':>4} {'energy AUROC':>13} {'Mahalanobis AUROC':>18}")
    for gap in (2.0, 4.0, 8.0):
        seen = compare_outliers(gap, 768, 2_000 if quick else 10_000)
        figures |= {f"gap{gap:.0f}_{name}": value for name, value in seen.items()}
        print(f"{gap:4.0f} {seen['energy_auroc']:13.3f} {seen['mahalanobis_auroc']:18.4f}")
    finish(figures | {"machine": machine()})


if __name__ == "__main__":
    main()
