"""Take the pictures of the labelling page that the documents show: `python -m docs.generators.screens`.

A real page over a few mild texts of the everyday corpus, in a Chromium whose clock the program sets, so that the same
page gives the same pictures.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from docs.generators.figures import PICTURES, shrink
from docs.generators.links import DOCS
from tests.browser import find_chromium
from vos.data import load_embedded
from vos.labeling import BoundaryRecord, text_uid
from vos.labeling.backends.page import PageBatch, PageSettings, write_pages

HARMLESS = (
    *("laundromat-22", "laundromat-29", "food_delivery-14", "food_delivery-17", "taxi_ride-23", "taxi_ride-42"),
    *("taxi_ride-46", "taxi_ride-14"),
)
HARMFUL = ("laundromat-45", "taxi_ride-24", "taxi_ride-28")
"""Texts of the pool by their ids; of the harmful ones none is shown."""

SHOWN = "laundromat-29"
SHOWN_ON_A_PHONE = "food_delivery-14"

QUESTION = "Is somebody hurt in this text?"
GUIDELINES = (
    "Yes: a person was, is or will be hurt, made ill or killed, also where the text only implies it.\n"
    "No: everything else, such as a near miss, a figure of speech, or harm to things and animals."
)
"""Those of the tutorial."""

SECONDS = 5
"""Of every answer."""

DESKTOP = {"viewport": {"width": 1080, "height": 640}}
TALL = {"viewport": {"width": 1080, "height": 860}}
PHONE = {"viewport": {"width": 390, "height": 720}, "is_mobile": True, "has_touch": True}

BEGIN = datetime(2026, 1, 1, 9, tzinfo=UTC)
COMMAND = "python train.py run=runs/first labels=files labels.path={FILE}"


def take(folder: Path = PICTURES) -> list[Path]:
    """Take all pictures.

    Args:
        folder: receives them.

    Returns: the files that were written.

    Raises:
        FileNotFoundError: no Chromium.
    """
    from playwright.sync_api import sync_playwright

    executable = find_chromium()
    if executable is None:
        raise FileNotFoundError("expected a Chromium, found none: install one, or name it in VOS_CHROMIUM")
    texts = {each.id: each.text for each in load_embedded("everyday").pool}
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as place, sync_playwright() as playwright:
        page_file = _write(Path(place), texts)
        chromium = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])

        def taken(name: str, screen: dict[str, Any], go: Callable[[Any], None]) -> Path:
            page = chromium.new_context(color_scheme="light", reduced_motion="reduce", **screen).new_page()
            page.clock.install(time=BEGIN)
            page.goto(page_file.as_uri())
            page.clock.pause_at(BEGIN.replace(hour=10))
            page.fill("#name", "Ann")
            page.keyboard.press("Enter")
            page.wait_for_selector("#card")
            go(page)
            page.screenshot(path=Path(place) / name, animations="disabled")
            page.context.close()
            return shrink(Path(place) / name, folder / name)

        paths = [
            taken("label_text.png", DESKTOP, lambda page: _look_for(page, texts[SHOWN])),
            taken("label_guidelines.png", DESKTOP, lambda page: page.keyboard.press("g")),
            taken("label_summary.png", TALL, lambda page: _answer_all(page, {texts[each] for each in HARMFUL})),
            taken("label_phone.png", PHONE, lambda page: _look_for(page, texts[SHOWN_ON_A_PHONE])),
        ]
        chromium.close()
    return paths


def _write(folder: Path, texts: dict[str, str]) -> Path:
    records = [BoundaryRecord(text_uid(texts[each]), each, texts[each]) for each in (*HARMLESS, *HARMFUL)]
    batch = PageBatch(
        "r00-0123abcd",
        records,
        {"yes": "Yes", "no": "No"},
        question=QUESTION,
        guidelines=GUIDELINES,
        import_command=COMMAND,
    )
    return write_pages(folder, batch, PageSettings(repeat_share=0.1))[0]


def _text(page: Any) -> str:
    return str(page.evaluate("document.getElementById('text').textContent"))


def _look_for(page: Any, text: str) -> None:
    """Answer until the text is there."""
    while _text(page) != text:
        _answer(page, "2")


def _answer_all(page: Any, harmful: set[str]) -> None:
    while page.is_visible("#card"):
        _answer(page, "1" if _text(page) in harmful else "2")


def _answer(page: Any, key: str) -> None:
    page.clock.run_for(SECONDS * 1000)
    page.keyboard.press(key)


if __name__ == "__main__":
    for path in take():
        sys.stdout.write(f"{path.relative_to(DOCS.parent)}\n")
