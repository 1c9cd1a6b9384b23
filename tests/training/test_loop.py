import pytest
import torch

from vos.models import EncoderClassifier
from vos.storage.run_directory import RunDirectory
from vos.training.checkpoint import RoundCheckpoint, read_round
from vos.training.loop import boundary_shift
from vos.training.round_cache import RoundCache

NAMES = ("harmless", "harmful")


def from_margins(margins):
    return torch.tensor([[0.0, m] for m in margins])


def test_the_shift_counts_the_texts_of_round_0s_band_alone():
    first = RoundCheckpoint(0, {"boundary/band": 1.0}, from_margins([0.5, -1.0, 3.0]))
    previous, current = from_margins([0.0, 0.0, 9.0]), from_margins([0.0, 2.0, -9.0])
    moved = torch.sigmoid(torch.tensor(2.0, dtype=torch.float64)) - 0.5
    assert boundary_shift(first, previous, current) == pytest.approx(float(moved) / 2)
    assert boundary_shift(first, previous, previous) == 0.0


def test_a_round_is_kept_whole_or_not_at_all(tmp_path):
    run = RunDirectory(tmp_path)
    assert read_round(run, 0) is None
    kept = RoundCheckpoint(0, {"boundary/band": 0.25}, from_margins([1.0, 2.0]))
    kept.write(run)
    found = read_round(run, 0)
    assert found.metrics == kept.metrics
    assert torch.equal(found.val_logits, kept.val_logits)
    (run.rounds / "0.json").unlink()  # the JSON file is written last
    assert read_round(run, 0) is None


def test_the_cache_gives_back_the_weights_of_the_same_key_only(tiny_encoder, tmp_path):
    stored, other = (EncoderClassifier(tiny_encoder, NAMES, seed=s) for s in (0, 1))
    cache = RoundCache(tmp_path, {"seed": 0})
    assert not cache.restore(other)
    cache.store(stored)
    assert not RoundCache(tmp_path, {"seed": 1}).restore(other)
    assert other.fingerprint() != stored.fingerprint()
    assert RoundCache(tmp_path, {"seed": 0}).restore(other)
    assert other.fingerprint() == stored.fingerprint()
