"""One batch pushed to Argilla, answered by two people and pulled: recorded from a real server and replayed from it."""

from __future__ import annotations

from pathlib import Path

from tests.labeling.examples import make_record
from vos.labeling import Ledger, text_uid
from vos.labeling.backends.argilla import ArgillaTool
from vos.labeling.backends.files import LabelRow
from vos.labeling.backends.page import Neighbour, PageBatch, PageSettings

TEXTS = ("he fell", "😀 he fell", "three", "four", "five")
CLASSES = {"harmful": "Harmful", "harmless": "Harmless"}
BATCH = "recorded"
ASKED = "Is this text harmful?"
MARK = [{"label": "reason", "start": 3, "end": 7}]

ANSWERS = (
    ("he fell", "owner", "submitted", {"harm": "harmful", "why": MARK, "comment": "implied"}),
    ("he fell", "bob", "draft", {"harm": "harmless"}),
    ("😀 he fell", "owner", "submitted", {"harm": "unsure", "why": MARK}),
    ("three", "bob", "discarded", {}),
    ("four", "owner", "submitted", {"harm": "harmless"}),
    ("four", "bob", "submitted", {"harm": "harmful"}),
)
"""Text, person, status, values: what the people do on the server."""


def push(tool: ArgillaTool, folder: Path) -> list[int]:
    """Push twice, then once more as if the ledger had been lost in between; returns how many texts went each time."""
    records = [make_record(text) for text in TEXTS]
    batch = PageBatch(BATCH, records, CLASSES, {records[0].uid: [Neighbour("it stood", "harmless")]}, question=ASKED)
    counts = []
    for name in ("ledger.sqlite", "ledger.sqlite", "lost.sqlite"):
        with Ledger(folder / name) as ledger:
            ledger.propose(records)
            ledger.export(BATCH, "argilla", [record.uid for record in records])
            counts.append(tool.push(ledger, batch, PageSettings()))
    return counts


def push_assisted(tool: ArgillaTool, folder: Path) -> int:
    """Push one text with the model's suggestion."""
    records = [make_record("six")]
    with Ledger(folder / "assisted.sqlite") as ledger:
        ledger.propose(records)
        ledger.export("assisted", "argilla", [text_uid("six")])
        return tool.push(ledger, PageBatch("assisted", records, CLASSES, question=ASKED), PageSettings(mode="assisted"))


def pull(tool: ArgillaTool, folder: Path) -> list[LabelRow]:
    """Pull."""
    with Ledger(folder / "ledger.sqlite") as ledger:
        return tool.pull(ledger)
