"""Shared code of the tests with a real Label Studio."""

from __future__ import annotations

import socket

from tests.conftest import ROOT
from tests.labeling.backends.label_studio_server import Account

PROGRAM = ROOT / ".cache" / "label-studio" / "venv" / "bin" / "label-studio"
OWNER = Account("owner@localhost.local", "a-long-password-1", "0123456789abcdef0123456789abcdef01234567")
CLASSES = {"harmful": "Harmful", "harmless": "Harmless"}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def task_ids(ledger) -> dict[str, int]:
    return {event.uid: event.payload["task"] for event in ledger.events("sent")}


def result(label, *spans):
    found = [{"from_name": "harm", "to_name": "text", "type": "choices", "value": {"choices": [label]}}]
    marks = [{"from_name": "why", "to_name": "text", "type": "labels", "value": span} for span in spans]
    return found + marks
