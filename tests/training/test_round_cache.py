from tests.training.modules import NAMES
from vos.models import EncoderClassifier
from vos.training.round_cache import RoundCache


def test_the_cache_gives_back_the_weights_of_the_same_key_only(tiny_encoder, tmp_path):
    stored, other = (EncoderClassifier(tiny_encoder, NAMES, seed=s) for s in (0, 1))
    cache = RoundCache(tmp_path, {"seed": 0})
    assert not cache.restore(other)
    cache.store(stored)
    assert not RoundCache(tmp_path, {"seed": 1}).restore(other)
    assert other.fingerprint() != stored.fingerprint()
    assert RoundCache(tmp_path, {"seed": 0}).restore(other)
    assert other.fingerprint() == stored.fingerprint()
