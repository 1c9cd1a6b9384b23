"""Our scores against the detectors of pytorch-ood on the same features, to float precision.

pytorch-ood works in float32 or in the dtype of its input, detector by detector; our scores of features are float64.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from pathlib import Path

import pytest
import torch

from tests.contracts import toy_features, toy_head
from vos.density import ClassConditionalGaussian
from vos.errors import ConfigError
from vos.scores import ViM, energy, knn, mahalanobis, max_logit, msp, relative_mahalanobis, weighted_energy

FOUND = importlib.util.find_spec("pytorch_ood")
pytestmark = pytest.mark.skipif(FOUND is None, reason="pip install --no-deps -c constraints.txt pytorch-ood")


@pytest.fixture(scope="module")
def theirs():
    """Import a detector by module and class name.

    `import pytorch_ood` imports image models, and with them torchvision, whose published build does not load beside the
    CPU build of torch. The detectors need none of that, so their packages are entered here without the
    packages' own `__init__`.
    """
    before = {name for name in sys.modules if name.split(".")[0] == "pytorch_ood"}
    assert before == set()
    root = Path(next(iter(FOUND.submodule_search_locations)))
    for name, folder in (("pytorch_ood", root), ("pytorch_ood.detector", root / "detector")):
        shell = types.ModuleType(name)
        shell.__path__ = [str(folder)]
        sys.modules[name] = shell
    yield lambda module, name: getattr(importlib.import_module(f"pytorch_ood.detector.{module}"), name)
    for name in [name for name in sys.modules if name.split(".")[0] == "pytorch_ood"]:
        del sys.modules[name]


C, D = 4, 12
TRAIN, LABELS = toy_features(50, C, D)
TRAIN = TRAIN.double()
HEAD = toy_head(C, D, dtype=torch.float64)


@pytest.fixture(scope="module")
def h():
    """Texts of the classes and points far from all of them, (60, d) float64."""
    inside, _ = toy_features(10, C, D, seed=5)
    return torch.cat([inside, 4.0 * torch.randn(20, D, generator=torch.Generator().manual_seed(1))]).double()


def test_msp_is_theirs_plus_one(theirs, h):
    logits = HEAD.logits(h)
    torch.testing.assert_close(msp(logits) - 1.0, theirs("softmax", "MaxSoftmax").score(logits))


def test_confident_texts_tie_in_their_msp_and_keep_their_order_in_ours(theirs):
    logits = torch.tensor([[50.0, 0.0, 0.0], [60.0, 0.0, 0.0]])
    first, second = theirs("softmax", "MaxSoftmax").score(logits)
    assert first == second
    assert msp(logits)[0] > msp(logits)[1] > 0.0


def test_max_logit_is_theirs(theirs, h):
    logits = HEAD.logits(h)
    assert torch.equal(max_logit(logits), theirs("maxlogit", "MaxLogit").score(logits))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 10.0])
def test_energy_is_theirs(theirs, h, temperature):
    logits = HEAD.logits(h)
    torch.testing.assert_close(energy(logits, temperature), theirs("energy", "EnergyBased").score(logits, temperature))


def test_weighted_energy_is_theirs(theirs, h):
    logits, weights = HEAD.logits(h), torch.tensor([0.3, 1.7, -0.5, 2.0], dtype=torch.float64)
    torch.testing.assert_close(weighted_energy(logits, weights), theirs("webo", "WeightedEBO").score(logits, weights))


def test_large_logits_overflow_in_their_weighted_energy_and_not_in_ours(theirs):
    logits, weights = torch.tensor([[100.0, 0.0], [-200.0, -200.0]]), torch.ones(2)
    assert torch.isinf(theirs("webo", "WeightedEBO").score(logits, weights)).all()
    torch.testing.assert_close(weighted_energy(logits, weights), energy(logits))
    # Without a positive weight theirs is infinite for every text; ours is the plain energy.
    assert torch.isinf(theirs("webo", "WeightedEBO").score(torch.zeros(1, 2), -weights)).all()
    torch.testing.assert_close(weighted_energy(torch.zeros(1, 2), -weights), energy(torch.zeros(1, 2)))


def fitted(classes=C, labels=LABELS):
    return ClassConditionalGaussian(classes, D, "empirical").fit(TRAIN, labels)


def test_mahalanobis_is_theirs_times_twice_the_number_of_texts(theirs, h):
    # Their scatter is not divided by n, and their score is half the distance. They compute in float32 and through an
    # inverse, hence the tolerance; a factor or a sign would be far outside of it.
    other = theirs("mahalanobis", "Mahalanobis")(None).fit_features(TRAIN.float(), LABELS)
    scaled = 2 * len(TRAIN) * other.predict_features(h.float()).double()
    torch.testing.assert_close(mahalanobis(fitted(), h), scaled, rtol=1e-4, atol=1e-4)


def test_relative_mahalanobis_is_theirs_times_the_number_of_texts(theirs, h):
    other = theirs("rmd", "RMD")(None).fit_features(TRAIN.float(), LABELS)
    ours = relative_mahalanobis(fitted(), fitted(1, torch.zeros_like(LABELS)), h)
    scaled = len(TRAIN) * other.predict_features(h.float()).double()
    torch.testing.assert_close(ours, scaled, rtol=1e-4, atol=1e-3)


def test_small_features_meet_their_fixed_ridge_and_not_our_jitter(theirs, h):
    # The ridge of 1e-6 outweighs a scatter of small features; ours is a distance, the same in any unit.
    small = 1e-5
    other = theirs("mahalanobis", "Mahalanobis")(None).fit_features(small * TRAIN.float(), LABELS)
    scaled = 2 * len(TRAIN) * other.predict_features(small * h.float()).double()
    ours = ClassConditionalGaussian(C, D, "empirical").fit(small * TRAIN, LABELS)
    torch.testing.assert_close(mahalanobis(ours, small * h), mahalanobis(fitted(), h))
    assert (scaled < 0.5 * mahalanobis(ours, small * h)).all()


@pytest.mark.parametrize("k", [1, 7, 50])
@pytest.mark.parametrize("normalize", [True, False])
def test_knn_is_theirs(theirs, h, k, normalize):
    detector = theirs("knn", "KNN")(None, k=k, normalize=normalize)
    detector.knn.n_jobs = 1
    other = detector.fit_features(TRAIN, LABELS).predict_features(h)
    torch.testing.assert_close(knn(h, TRAIN, k=k, normalize=normalize), other)


def test_knn_of_a_small_bank_uses_its_last_row_where_theirs_refuses(theirs, h):
    with pytest.raises(ValueError, match="k=50 exceeds"):
        theirs("knn", "KNN")(None, k=50).fit_features(TRAIN[:5], LABELS[:5])
    torch.testing.assert_close(knn(h, TRAIN[:5], k=50), knn(h, TRAIN[:5], k=5))


@pytest.mark.parametrize("n_principal", [2, 6, 11])
def test_vim_is_theirs(theirs, h, n_principal):
    other = theirs("vim", "ViM")(None, d=n_principal, w=HEAD.weight, b=HEAD.bias).fit_features(TRAIN, LABELS)
    ours = ViM(D, n_principal).fit(TRAIN, HEAD)(h, HEAD.logits(h))
    torch.testing.assert_close(ours, other.predict_features(h).double(), rtol=1e-4, atol=1e-4)


def test_a_principal_space_of_all_features_is_refused_where_theirs_takes_another(theirs):
    other = theirs("vim", "ViM")(None, d=D + 1, w=HEAD.weight, b=HEAD.bias).fit_features(TRAIN, LABELS)
    assert other.d == D // 2
    with pytest.raises(ConfigError, match="n_principal"):
        ViM(D, D + 1)
