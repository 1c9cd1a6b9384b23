"""Two processes on the CPU remember the same features, and fit the same density, as one process on the same texts."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import ROOT
from tests.training.processes_driver import CASES

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tiny_encoder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    driver = ROOT / "tests/training/processes_driver.py"
    for processes in (1, 2):
        subprocess.run(
            [sys.executable, driver, tiny_encoder, str(processes), folder],
            cwd=ROOT, check=True, stdout=subprocess.DEVNULL, timeout=300,
        )  # fmt: skip
    return folder


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("case", CASES)
def test_two_processes_fit_the_density_of_one(folder, case, rank):
    one = load_file(folder / f"{case}-1-0.safetensors")
    two = load_file(folder / f"{case}-2-{rank}.safetensors")
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
