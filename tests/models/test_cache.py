import multiprocessing

import pytest
import torch

from vos.models import FeatureCache
from vos.models.cache import QUERY_ROWS


def test_stored_features_come_back_bit_for_bit(tmp_path):
    features = torch.randn(5, 7)
    with FeatureCache(tmp_path, "abc", 7) as cache:
        cache.put(list("abcde"), features)
    with FeatureCache(tmp_path, "abc", 7) as cache:
        found, hit = cache.get(["e", "missing", "a"])
    assert hit.tolist() == [True, False, True]
    assert torch.equal(found[0], features[4])
    assert torch.equal(found[2], features[0])
    assert not found[1].any()


def test_more_texts_than_one_query_holds(tmp_path):
    texts = [f"text {i}" for i in range(2 * QUERY_ROWS + 3)]
    features = torch.arange(len(texts), dtype=torch.float32)[:, None]
    with FeatureCache(tmp_path, "abc", 1) as cache:
        cache.put(texts, features)
        found, hit = cache.get(texts[::-1])
    assert hit.all()
    assert torch.equal(found, features.flip(0))


def test_the_first_value_of_a_text_stays(tmp_path):
    with FeatureCache(tmp_path, "abc", 1) as cache:
        cache.put(["a"], torch.tensor([[1.0]]))
        cache.put(["a"], torch.tensor([[2.0]]))
        assert cache.get(["a"])[0].item() == 1.0


def test_encoders_do_not_share_features(tmp_path):
    with FeatureCache(tmp_path, "abc", 1) as one, FeatureCache(tmp_path, "xyz", 1) as other:
        one.put(["a"], torch.tensor([[1.0]]))
        assert not other.get(["a"])[1].any()


def _write(arguments):
    folder, start = arguments
    with FeatureCache(folder, "abc", 1) as cache:
        for i in range(start, start + 40):
            cache.put([str(i)], torch.tensor([[float(i)]]))


def test_two_processes_write_at_once(tmp_path):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(_write, [(tmp_path, 0), (tmp_path, 20)])
    with FeatureCache(tmp_path, "abc", 1) as cache:
        found, hit = cache.get([str(i) for i in range(60)])
    assert hit.all()
    assert found[:, 0].tolist() == [float(i) for i in range(60)]


def test_a_damaged_row_counts_as_missing_and_is_written_anew(tmp_path):
    features = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    with FeatureCache(tmp_path, "abc", 2) as cache:
        cache.put(["a", "b"], features)
        path = cache.path
    value = features[0].numpy().tobytes()
    content = path.read_bytes()
    assert content.count(value) == 1
    path.write_bytes(content.replace(value, value[:-1] + b"\x41"))
    with FeatureCache(tmp_path, "abc", 2) as cache:
        assert cache.get(["a", "b"])[1].tolist() == [False, True]
        cache.put(["a", "b"], features)
        found, hit = cache.get(["a", "b"])
    assert hit.all()
    assert torch.equal(found, features)


@pytest.mark.parametrize(
    "damage", [lambda c: c[:100], lambda c: b"x" * 100 + c[100:], lambda c: c[:4096] + b"\0" * 4096]
)
def test_a_damaged_file_is_begun_anew(tmp_path, damage):
    texts = [str(i) for i in range(500)]
    with FeatureCache(tmp_path, "abc", 8) as cache:
        cache.put(texts, torch.ones(500, 8))
        path = cache.path
    path.write_bytes(damage(path.read_bytes()))
    with FeatureCache(tmp_path, "abc", 8) as cache:
        found, hit = cache.get(texts)
        assert not found[~hit].any()
        cache.put(texts, torch.ones(500, 8))
        assert cache.get(texts)[1].all()
