import pytest

from tests.training.modules import NAMES
from vos.models import EncoderClassifier
from vos.training.featurizers import Featurizers

TEXTS = ["one text", "another text of more words"]


def featurizers(encoder, cache, freeze=False):
    def new():
        return EncoderClassifier(encoder, NAMES, freeze=freeze, seed=7)

    return Featurizers(new(), new, cache)


@pytest.mark.parametrize(
    ("freeze", "shared", "kept"), [(False, False, False), (False, True, True), (True, False, True)]
)
def test_features_are_kept_where_another_run_will_ask_for_them(tiny_encoder, tmp_path, freeze, shared, kept):
    made = featurizers(tiny_encoder, tmp_path, freeze).current(shared=shared)
    made.featurize(TEXTS)
    assert (made.cache is not None) == kept
    assert len(list(tmp_path.glob("*.sqlite"))) == kept


def test_the_initial_classifier_is_another_than_the_one_that_trains(tiny_encoder, tmp_path):
    found = featurizers(tiny_encoder, tmp_path)
    before = found.classifier.fingerprint()
    found.classifier.head.weight.data += 1.0
    assert found.initial().model_hash == before
    assert found.current().model_hash != before
    assert found.current().classifier is found.classifier


def test_without_a_folder_nothing_is_kept(tiny_encoder):
    assert featurizers(tiny_encoder, None).current(shared=True).cache is None
