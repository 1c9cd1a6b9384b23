"""Finding a Chromium for the page's tests."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

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
