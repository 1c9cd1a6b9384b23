from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from vos.data import ListPool, TextData
from vos.simulation.fits import FrozenEncoderFit, PipelineFit
from vos.storage.run_directory import RunDirectory
from vos.types import Example, FeatureBatch, LinearHead


class Fixed:
    """A featurizer of fixed features."""

    head = LinearHead(torch.zeros(3, 4), torch.zeros(3))
    model_hash = "fixed"

    def featurize(self, texts):
        rows = [torch.randn(4, generator=torch.Generator().manual_seed(int(text))) for text in texts]
        features = torch.stack(rows) * torch.tensor([1.0, 10.0, 0.1, 1.0])
        return FeatureBatch(features, self.head.logits(features))


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("balanced", [False, True])
def test_the_head_gives_the_probabilities_of_the_regression_on_standardised_features(n_classes, balanced):
    train = [Example(str(i), str(i), min(i % 5, n_classes - 1)) for i in range(60)]
    found = FrozenEncoderFit(Fixed(), n_classes, 2.0, balanced)(train, 0, None)
    features = Fixed().featurize([e.text for e in train]).features.double().numpy()
    scaled = (features - features.mean(0)) / features.std(0)
    regression = LogisticRegression(C=0.5, max_iter=2000, class_weight="balanced" if balanced else None)
    regression.fit(scaled, [e.label for e in train])
    probability = found.featurize([e.text for e in train]).logits.softmax(-1).numpy()
    np.testing.assert_allclose(probability, regression.predict_proba(scaled), atol=1e-4)
    assert found.head.weight.shape == (n_classes, 4)
    assert found.model_hash != Fixed.model_hash


@pytest.mark.parametrize("present", [(0, 2, 3), (1, 2), (0, 3)])
def test_classes_that_the_training_texts_lack_keep_their_place_and_are_never_predicted(present):
    train = [Example(str(i), str(i), present[i % len(present)]) for i in range(60)]
    found = FrozenEncoderFit(Fixed(), 4, 1e-3, False)(train, 0, None)
    features = Fixed().featurize([e.text for e in train]).features.double().numpy()
    scaled = (features - features.mean(0)) / (features.std(0) + 1e-6)
    regression = LogisticRegression(C=1e3, max_iter=2000).fit(scaled, [e.label for e in train])
    logits = found.featurize([e.text for e in train]).logits
    assert logits.shape == (60, 4)
    assert logits.isfinite().all()
    assert logits.argmax(-1).tolist() == regression.predict(scaled).tolist()
    np.testing.assert_allclose(
        logits[:, list(present)].softmax(-1).numpy(), regression.predict_proba(scaled), atol=1e-3
    )
    strange = Fixed().featurize([str(i) for i in range(1000, 1400)]).features * 100
    assert set(found.head.logits(strange).argmax(-1).tolist()) <= set(present)


def test_what_a_killed_fit_left_is_not_taken_up(tmp_path, monkeypatch):
    run = RunDirectory(tmp_path / "job")
    (run.checkpoints / "round-0").mkdir(parents=True)
    found = []
    monkeypatch.setattr("vos.simulation.fits.fit_round", lambda job, _: found.extend(tmp_path.iterdir()))
    job = SimpleNamespace(run=run, featurizers=SimpleNamespace(current=lambda: "classifier"))
    data = TextData([], [], [], ListPool([]), ("no", "yes"), [], harmful=(1,))
    assert PipelineFit(data, lambda *_: job, warm=False)([], 0, None) == "classifier"
    assert found == []
