"""A Chromium for page tests, and the accessibility rules that pages must pass."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str | None:
    """Path of a Chromium: `VOS_CHROMIUM`, the system's, or the one that `playwright install chromium` put in place."""
    given = os.environ.get("VOS_CHROMIUM")
    if given:
        return given
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found:
        return found
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH", Path.home() / ".cache" / "ms-playwright"))
    return next((str(path) for path in sorted(cache.glob("chromium-*/chrome-linux*/chrome"))), None)


def must_run() -> bool:
    """Whether browser tests may not be skipped: in CI, or where VOS_BROWSER=required says so."""
    return bool(os.environ.get("CI")) or os.environ.get("VOS_BROWSER") == "required"


@pytest.fixture(scope="module")
def browser():
    """A running Chromium; without one the test is skipped loudly, or fails where it must not be skipped."""
    executable = find_chromium()
    sync_api = (
        pytest.importorskip("playwright.sync_api") if not must_run() else __import__("playwright.sync_api").sync_api
    )
    if executable is None:
        message = "no Chromium found: `apt-get install chromium`, `playwright install chromium`, or set VOS_CHROMIUM"
        if must_run():
            pytest.fail(message)
        pytest.skip("BROWSER TESTS SKIPPED: " + message)
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def npm_file(package: str, file: str, lacking: str) -> Path:
    """A file of a package from npm, fetched once into the cache; without it the test is skipped loudly, or fails.

    Args:
        package: name and version, `axe-core@4`.
        file: path within the package.
        lacking: what is then not checked, for the message.
    """
    name = package.rpartition("@")[0]
    folder = Path(os.environ.get("VOS_CACHE", Path.home() / ".cache" / "vos-text")) / name
    path = folder / "node_modules" / name / file
    if not path.exists():
        npm = shutil.which("npm")
        command = [npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, package]
        done = npm and subprocess.run(command, capture_output=True, text=True, check=False)
        if not path.exists():
            message = f"no {name} ({done.stderr.strip() if done else 'no npm'}): {lacking}"
            if must_run():
                pytest.fail(message)
            pytest.skip(message)
    return path


@pytest.fixture(scope="session")
def axe() -> str:
    """Source of axe-core, from npm at test time: its licence (MPL-2.0) stays out of this repository."""
    return npm_file("axe-core@4", "axe.min.js", "ACCESSIBILITY WAS NOT CHECKED").read_text(encoding="utf-8")
