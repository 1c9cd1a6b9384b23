"""The precision of a training, and that it is decided once by one machine."""

import json

import pytest
import torch

from vos.models import precision
from vos.models.precision import FULL, KEPT, MIXED, bfloat16_gain, multiplies_bfloat16, processor, settled


@pytest.mark.parametrize("named", ["32-true", "bf16-mixed", "16-mixed"])
def test_a_named_precision_stays(named, tmp_path):
    assert settled(named, "cpu", tmp_path) == named
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("gain", "expected"), [(0.4, FULL), (1.29, FULL), (1.3, MIXED), (3, MIXED)])
def test_auto_is_bfloat16_where_it_gains(gain, expected, tmp_path):
    (tmp_path / KEPT).write_text(json.dumps({processor(): gain, "another": 9.0}))
    assert settled("auto", "cpu", tmp_path) == expected


def test_the_gain_is_measured_once_for_a_processor(tmp_path, monkeypatch):
    times = iter([2.5])
    monkeypatch.setattr(precision, "_measured", lambda: next(times))
    assert bfloat16_gain(tmp_path / "cache") == bfloat16_gain(tmp_path / "cache") == 2.5
    assert json.loads((tmp_path / "cache" / KEPT).read_text()) == {processor(): 2.5}


def test_the_product_is_timed():
    assert 0.01 < bfloat16_gain() < 100.0


@pytest.mark.parametrize(("avx", "amx"), [(True, True), (True, False), (False, True), (False, False)])
def test_either_instruction_set_multiplies_in_bfloat16(monkeypatch, avx, amx):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert multiplies_bfloat16() is (avx or amx)
