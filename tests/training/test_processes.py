"""Two processes on the CPU store the same features, fit the same density and learn the same weights as one process."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import ROOT
from tests.training.processes_driver import CASES, STRATEGIES
from vos.training.sharding import SHARDED

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tiny_encoder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    driver = ROOT / "tests/training/processes_driver.py"
    for strategy in STRATEGIES:
        subprocess.run(
            [sys.executable, driver, tiny_encoder, strategy, folder],
            cwd=ROOT, check=True, stdout=subprocess.DEVNULL, timeout=300,
        )  # fmt: skip
    return folder


DDP = "ddp_find_unused_parameters_true"

STORED = [name for name, case in CASES.items() if not case[3]]
"""Cases whose features stay as they are."""


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("case", STORED)
def test_two_processes_fit_the_density_of_one(folder, case, rank):
    one, two = load_file(folder / f"{case}-auto-0.safetensors"), load_file(folder / f"{case}-{DDP}-{rank}.safetensors")
    n = CASES[case][1]
    assert len(two["features"]) == len(one["features"]) == n
    assert two["density.ready"].all()
    # A queue keeps the order of arrival, which two processes change.
    order = [table["features"][:, 0].argsort() for table in (one, two, {"features": one["texts"]})]
    assert torch.equal(two["features"][order[1]], one["texts"][order[2]])
    assert torch.equal(two["labels"][order[1]], one["labels"][order[0]])
    if CASES[case][0] == "bank":
        assert torch.equal(two["features"], one["features"])
    for name in (name for name in one if name.startswith("density.")):
        torch.testing.assert_close(two[name], one[name], rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(("case", "strategy"), [*((case, DDP) for case in CASES), ("encoder-27", SHARDED)])
def test_two_processes_learn_what_one_learns(folder, case, strategy, rank):
    """The same texts and outliers in every step, so the same weights but for the order of sums."""
    one = load_file(folder / f"{case}-auto-0.safetensors")
    two = load_file(folder / f"{case}-{strategy}-{rank}.safetensors")
    learned = [name for name in one if name.startswith(("head.", "loss."))]
    assert {"head.weight", "head.bias"} < set(learned)
    for name in [*learned, *(["features"] if CASES[case][3] else [])]:
        torch.testing.assert_close(two[name], one[name], rtol=1e-4, atol=1e-5)
