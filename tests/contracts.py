"""Behaviour that every implementation of an interface has: samplers, scores, losses."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from tests import oracles
from vos.density import ClassConditionalGaussian
from vos.types import LinearHead, OutlierSampler


def toy_features(n_per_class: int, n_classes: int, d: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Correlated Gaussian classes around different means: features (n, d) float32, labels (n,)."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(d, d, generator=generator) / d**0.5 + torch.eye(d)
    means = 2.0 * torch.randn(n_classes, d, generator=generator)
    labels = torch.arange(n_classes).repeat_interleave(n_per_class)
    return means[labels] + torch.randn(len(labels), d, generator=generator) @ mixing.mT, labels


def toy_density(n_classes: int = 3, d: int = 6, tied: bool = True, seed: int = 0) -> ClassConditionalGaussian:
    """Fitted to 40 texts a class."""
    return ClassConditionalGaussian(n_classes, d, tied=tied).fit(*toy_features(40, n_classes, d, seed))


def toy_head(n_classes: int, d: int, seed: int = 1, dtype: torch.dtype = torch.float32) -> LinearHead:
    """A head with random rows."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(n_classes, d, generator=generator, dtype=torch.float64).to(dtype)
    return LinearHead(weight, torch.randn(n_classes, generator=generator, dtype=torch.float64).to(dtype))


def check_outlier_sampler(
    sampler: OutlierSampler, n_classes: int, tied: bool, drawn_from: Sequence[int] | None = None
) -> None:
    """Shapes, dtypes, honest distances, class order, classes left out, and one source of randomness.

    Args:
        sampler: any.
        n_classes: of the density and the head.
        tied: of the density.
        drawn_from: the classes that the sampler draws from, ascending; all of them where it is not given.
    """
    d, n = 6, 5
    classes = range(n_classes) if drawn_from is None else drawn_from
    density, head = toy_density(n_classes, d, tied), toy_head(n_classes, d)
    untouched = torch.random.get_rng_state()
    drawn = sampler(density, head, n, torch.Generator().manual_seed(3))
    assert torch.equal(torch.random.get_rng_state(), untouched), "the global random state was used"

    assert drawn.features.shape == (len(classes) * n, d)
    assert drawn.features.dtype == head.weight.dtype
    assert not drawn.features.requires_grad
    assert drawn.labels.dtype == torch.int64
    assert drawn.labels.tolist() == [c for c in classes for _ in range(n)]
    own = density.mahalanobis(drawn.features).gather(1, drawn.labels[:, None])[:, 0]
    torch.testing.assert_close(own, drawn.mahalanobis.double(), rtol=1e-4, atol=1e-4)  # float32 features
    assert len(torch.unique(drawn.features, dim=0)) == len(drawn), "two draws are equal"

    again = sampler(density, head, n, torch.Generator().manual_seed(3))
    assert torch.equal(again.features, drawn.features), "same seed, other draws"
    other = sampler(density, head, n, torch.Generator().manual_seed(4))
    assert not torch.equal(other.features, drawn.features), "other seed, same draws"

    parameter = LinearHead(nn.Parameter(head.weight.double()), nn.Parameter(head.bias.double()))
    double = sampler(density, parameter, n, torch.Generator().manual_seed(3))
    assert double.features.dtype == torch.float64
    assert not double.features.requires_grad
    torch.testing.assert_close(double.features.float(), drawn.features, rtol=1e-4, atol=1e-4)

    features, labels = toy_features(40, n_classes, d)
    keep = (labels != 1) | (torch.arange(len(labels)) == 40)  # one text of class 1 is too few
    partial = ClassConditionalGaussian(n_classes, d, tied=tied).fit(features[keep], labels[keep])
    drawn = sampler(partial, head, n, torch.Generator().manual_seed(3))
    assert drawn.labels.tolist() == [c for c in classes if c != 1 for _ in range(n)]


def check_batch_equals_loop(sampler: OutlierSampler, n_classes: int = 3, n: int = 300) -> None:
    """One call for `n` draws a class has the law of `n` calls for one: draws of a call share nothing.

    A batch takes its random numbers in another order than a loop, so laws are compared and not numbers: the distance
    and two features of every class, two-sample KS for a failure rate of 1e-6 over all of them. Not for a sampler whose
    draws depend on how many are asked for, such as the least likely of a number of draws.
    """
    d = 6
    density, head = toy_density(n_classes, d), toy_head(n_classes, d, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    batch = sampler(density, head, n, generator)
    loop = [sampler(density, head, 1, generator) for _ in range(n)]
    features = torch.stack([drawn.features for drawn in loop], 1)  # (C, n, d)
    distances = torch.stack([drawn.mahalanobis for drawn in loop], 1)
    bound = oracles.ks_critical(n, n, 1e-6 / (3 * len(features)))
    for i, c in enumerate(loop[0].labels.tolist()):
        at = batch.labels == c
        pairs = [(batch.features[at, j], features[i, :, j]) for j in (0, d - 1)]
        if float(distances[i].std()) > 1e-6:  # on a shell all distances are one number
            pairs.append((batch.mahalanobis[at], distances[i]))
        for a, b in pairs:
            assert oracles.ks_distance(a, b) < bound, f"class {c}: {n} draws at once are not {n} draws one by one"


def check_score(score: Callable[[Tensor], Tensor], rows: Tensor, further: Tensor) -> None:
    """One finite float a row, the same in any batch, higher for what is further out, differentiable.

    Args:
        score: maps (n, k) to (n,).
        rows: (n, k), in-distribution.
        further: (n, k), each row more out-of-distribution than the same row of `rows`.
    """
    values = score(rows)
    assert values.shape == (len(rows),)
    assert values.is_floating_point()
    assert torch.isfinite(values).all()
    torch.testing.assert_close(torch.cat([score(rows[i : i + 1]) for i in range(len(rows))]), values)
    permutation = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(score(rows[permutation]), values[permutation])
    assert (score(further) > values).all()
    leaf = rows.clone().requires_grad_()
    score(leaf).sum().backward()
    assert leaf.grad is not None
    assert torch.isfinite(leaf.grad).all()


def check_loss(make: Callable[[], nn.Module], n_classes: int = 3) -> None:
    """Scalar, finite at the extremes, balanced sides, gradients everywhere they belong, state that travels."""
    loss = make().double()
    generator = torch.Generator().manual_seed(0)
    logits, outlier_logits = (2 * torch.randn(n, n_classes, generator=generator).double() for n in (6, 4))
    features, outlier_features = (torch.randn(n, 5, generator=generator).double() for n in (6, 4))
    labels = torch.arange(6) % n_classes
    batch = (logits, features, labels, outlier_logits, outlier_features)
    value = loss(*batch)
    assert value.shape == ()
    assert value >= 0

    doubled = loss(logits, features, labels, outlier_logits.repeat(3, 1), outlier_features.repeat(3, 1))
    torch.testing.assert_close(doubled, value)  # the number of outliers carries no weight
    order = torch.tensor([3, 1, 0, 2])
    torch.testing.assert_close(loss(logits, features, labels, outlier_logits[order], outlier_features[order]), value)

    leaves = tuple(t.clone().requires_grad_(t.is_floating_point()) for t in batch)
    loss(*leaves).backward()
    reached = [leaf.grad is not None and bool(leaf.grad.abs().sum() > 0) for leaf in leaves if leaf.requires_grad]
    assert reached[0] or reached[1], "the texts are not reached"
    assert reached[2] or reached[3], "the outliers are not reached"
    for name, parameter in loss.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    assert torch.autograd.gradcheck(
        lambda a, b, c, d: loss(a, b, labels, c, d), (leaves[0], leaves[1], leaves[3], leaves[4])
    )

    extreme = [t.clone() for t in batch]
    extreme[0] = torch.full_like(logits, -1e4).scatter(1, labels[:, None], 1e4)
    extreme[3] = torch.zeros_like(outlier_logits)
    extreme[3][:, 0] = 1e4
    for sign in (1.0, -1.0):
        stressed = [t.float() if t.is_floating_point() else t for t in extreme]
        stressed[0], stressed[3] = sign * stressed[0], sign * stressed[3]
        stressed = [t.requires_grad_(t.is_floating_point()) for t in stressed]
        value32 = copy.deepcopy(loss).float()(*stressed)
        assert torch.isfinite(value32)
        value32.backward()
        assert all(torch.isfinite(t.grad).all() for t in stressed if t.grad is not None)

    for dtype in (torch.float32, torch.bfloat16):
        low = copy.deepcopy(loss).to(dtype)(*(t.to(dtype) if t.is_floating_point() else t for t in batch))
        assert low.dtype == torch.float32
        torch.testing.assert_close(low.double(), value, rtol=5e-2, atol=5e-2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = copy.deepcopy(loss).float()(*(t.float() if t.is_floating_point() else t for t in batch))
    torch.testing.assert_close(mixed.double(), value, rtol=1e-5, atol=1e-5)  # no step of it runs in half precision

    other = make().double()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.add_(0.1)
    other.load_state_dict(loss.state_dict())
    torch.testing.assert_close(other(*batch), value)
    state = torch.random.get_rng_state()
    make()
    assert torch.equal(torch.random.get_rng_state(), state), "building it used the global random state"
