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


def test_the_cache_stays_below_its_size_and_a_removed_classifier_is_trained_again(tiny_encoder, tmp_path):
    classifier = EncoderClassifier(tiny_encoder, NAMES, seed=0)
    caches = [RoundCache(tmp_path / "round-0", {"seed": seed}) for seed in range(3)]
    caches[0].store(classifier)
    one = caches[0].path.stat().st_size / 2**30
    for cache in caches[1:]:
        cache.gib = 2.5 * one
        cache.store(classifier)
    assert [cache.restore(classifier) for cache in caches] == [False, True, True]
    assert len(list((tmp_path / "round-0").glob("*.safetensors"))) == 2


def test_a_damaged_classifier_is_removed_and_trained_again(tiny_encoder, tmp_path, caplog):
    stored, other = (EncoderClassifier(tiny_encoder, NAMES, seed=s) for s in (0, 1))
    cache, before = RoundCache(tmp_path, {"seed": 0}), other.fingerprint()
    for place in (9, -5):
        cache.store(stored)
        content = bytearray(cache.path.read_bytes())
        content[place] ^= 1
        cache.path.write_bytes(bytes(content))
        assert not cache.restore(other)
        assert other.fingerprint() == before
        assert not cache.path.exists()
    assert "is removed, and round 0 is trained" in caplog.text
