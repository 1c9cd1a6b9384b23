"""Every example runs unchanged, and is short."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
SAYS = {"ledger": "0 harmful", "mine": "random", "ood_scores": "energy: AUROC 0.", "training_loop": "loss 0."}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_runs_and_says_what_it_found(path, classifier_folder, tmp_path):
    command = [sys.executable, str(path), *([classifier_folder] if path.stem == "mine" else [])]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert SAYS[path.stem] in done.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_is_short(path):
    lines = [line for line in path.read_text("utf-8").splitlines() if line.strip()]
    assert len(lines) <= 25


def test_the_documents_show_the_examples_as_they_are():
    page = (ROOT / "docs/library.md").read_text("utf-8")
    for path in EXAMPLES:
        assert f"```python\n{path.read_text('utf-8').rstrip()}\n```" in page, path.name


def test_the_ledger_needs_no_torch(tmp_path):
    code = f"import runpy, sys; runpy.run_path({str(ROOT / 'examples/ledger.py')!r}); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)
