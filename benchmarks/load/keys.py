"""The labelling page with 2,000 texts in Chromium: `python -m benchmarks.load.keys [--quick]`.

A page of `max_items=2000` is opened, answered by key to its end, and stepped through backwards. Each key is timed in
the page, from its event until the text and its layout are ready. The last line is one JSON object: milliseconds per key
and how many keys took 50 or more, separately for the first and the last hundred answers.
"""

from __future__ import annotations

import importlib
import os
import shutil
import statistics
import tempfile
from pathlib import Path
from typing import Any

from benchmarks._common import command_line, finish
from vos.labeling import BoundaryRecord, text_uid
from vos.labeling.backends.page import PageBatch, PageSettings, write_pages

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MOST = 50.0
"""Milliseconds that a key may take."""

PRESS = """async (keys) => {
  const taken = [];
  for (const key of keys) {
    const open = document.querySelector("dialog[open]");
    if (open) open.close();
    const before = performance.now();
    const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true });
    document.getElementById("card").dispatchEvent(event);
    document.body.getBoundingClientRect();
    taken.push(performance.now() - before);
    await new Promise((done) => setTimeout(done, 0));
  }
  return taken;
}"""
"""The keys one after the other, each in a task of its own; suggestions of a break are closed, and not timed."""


class Thread:
    """The time that the page's main thread has run, whatever else the machine does."""

    def __init__(self, page: Any) -> None:
        self._session = page.context.new_cdp_session(page)
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def milliseconds(self) -> float:
        """Of all tasks so far."""
        found = self._session.send("Performance.getMetrics")["metrics"]
        return 1_000 * next(float(each["value"]) for each in found if each["name"] == "TaskDuration")


def main() -> None:
    """Time the keys; print a line for each kind; end with the JSON line."""
    options = command_line(__doc__, "200 texts").parse_args()
    executable = os.environ.get("VOS_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        finish({"skipped": "no Chromium: apt-get install chromium, or set VOS_CHROMIUM"})
        return
    n = 200 if options.quick else 2_000
    with tempfile.TemporaryDirectory() as folder:
        figures = {"texts": n, **measure(executable, page_of(Path(folder), n), n)}
    finish(figures)


def page_of(folder: Path, n: int) -> Path:
    """A page of `n` texts of usual length."""
    texts = [
        f"On day {i} " + "the ladder stood by the wall of the house, and nobody saw it slip. " * 4 for i in range(n)
    ]
    records = [BoundaryRecord(text_uid(text), f"p{i}", text) for i, text in enumerate(texts)]
    batch = PageBatch("b0", records, {"harmless": "Harmless", "harmful": "Harmful"})
    settings = PageSettings(max_items=n, break_every=10 * n, repeat_share=0.0)
    (path,) = write_pages(folder, batch, settings)
    return path


def measure(executable: str, path: Path, n: int) -> dict[str, Any]:
    """Milliseconds of the keys of one sitting."""
    sync_api = importlib.import_module("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = browser.new_page()
        page.set_default_timeout(600_000)
        page.goto(path.as_uri())
        page.fill("#name", "Ann")
        page.keyboard.press("Enter")
        page.wait_for_selector("#card")
        thread = Thread(page)
        keys = {
            "answer": ["12"[i % 2] for i in range(n - 1)],
            "move": ["ArrowLeft"] * (n // 2) + ["ArrowRight"] * (n // 4),
            "change": ["2", "Backspace", "3"] * 20,
        }
        kinds, own = {}, {}
        for name, pressed in keys.items():
            before = thread.milliseconds()
            kinds[name] = page.evaluate(PRESS, pressed)
            own[name] = (thread.milliseconds() - before) / len(pressed)
        done = page.evaluate(
            "Object.values(JSON.parse(localStorage['vos-label:b0:0:Ann']).entries).filter((e) => e.answer).length"
        )
        browser.close()
    kinds |= {"first": kinds["answer"][:100], "last": kinds["answer"][-100:]}
    figures: dict[str, Any] = {"answered": done, "page_mib": path.stat().st_size / 2**20}
    figures |= {f"{name}/mean_thread_ms": value for name, value in own.items()}
    for name, taken in kinds.items():
        figures |= {
            f"{name}/median_ms": statistics.median(taken),
            f"{name}/p95_ms": statistics.quantiles(taken, n=20)[-1],
            f"{name}/longest_ms": max(taken),
            f"{name}/over_{MOST:.0f}_ms": sum(each >= MOST for each in taken),
            f"{name}/keys": len(taken),
        }
        print(f"{name:8} {len(taken):5} keys, median {statistics.median(taken):6.2f} ms, longest {max(taken):7.2f} ms")
    return figures


if __name__ == "__main__":
    main()
