"""The page modules under node: tests of those without DOM access, and type checks of all."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.browser import npm_file
from tests.conftest import ROOT

pytestmark = pytest.mark.slow  # starts processes

HERE = ROOT / "tests" / "page"


@pytest.fixture(scope="module")
def node() -> str:
    """Path of node; without it the pages are built all the same, and this is skipped loudly."""
    found = shutil.which("node")
    if not found:
        pytest.skip("NO NODE: modules and types of the pages were NOT checked")
    return found


def test_modules_that_touch_no_element(node, tmp_path):
    for folder in ("page", "atlas/page"):
        shutil.copytree(ROOT / "vos" / folder, tmp_path / folder, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    shutil.copy(HERE / "pure.test.mjs", tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    done = subprocess.run(
        [node, "--test", "pure.test.mjs"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# pass 10" in done.stdout or "pass 10" in done.stdout


@pytest.fixture(scope="module")
def tsc() -> Path:
    """The compiler of TypeScript, from npm at test time: a tool for developers alone."""
    return npm_file("typescript@5", "bin/tsc", "TYPES OF THE PAGES WERE NOT CHECKED")


def test_types(node, tsc):
    done = subprocess.run(
        [node, str(tsc), "-p", str(HERE / "tsconfig.json")], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout
