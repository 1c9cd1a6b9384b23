"""Every benchmark runs in its quick size and ends with one JSON object of named figures."""

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT

EXPECTED = {
    "pool": {"pool_share_of_bare", "memory_growth", "cached_texts_per_s"},
    "retrieval": {"recall_at_10", "exact_seconds", "approximate_seconds", "exact_peak_mib", "build_seconds"},
    "training": {"ratio", "steps_each"},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPECTED)
def test_quick_size(name, tmp_path):
    command = [sys.executable, str(ROOT / f"benchmarks/{name}.py"), "--quick"]
    result = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    figures = json.loads(result.stdout.splitlines()[-1])
    assert EXPECTED[name] <= set(figures)
    assert all(value > 0 for value in figures.values())
