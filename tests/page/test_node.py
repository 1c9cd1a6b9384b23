"""The pages' modules under node: tests of those that touch no element, and the types of all."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.browser import must_run
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
    folder = Path(os.environ.get("VOS_CACHE", Path.home() / ".cache" / "vos-text")) / "typescript"
    script = folder / "node_modules" / "typescript" / "bin" / "tsc"
    if not script.exists():
        npm = shutil.which("npm")
        done = npm and subprocess.run(
            [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, "typescript@5"],
            capture_output=True,
            text=True,
            check=False,
        )
        if not script.exists():
            message = f"no TypeScript ({done.stderr.strip() if done else 'no npm'}), types were NOT checked"
            if must_run():
                pytest.fail(message)
            pytest.skip("TYPES OF THE PAGES SKIPPED: " + message)
    return script


def test_types(node, tsc):
    done = subprocess.run(
        [node, str(tsc), "-p", str(HERE / "tsconfig.json")], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout
