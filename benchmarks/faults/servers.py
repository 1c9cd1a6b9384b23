"""A real Label Studio to which a killed program sends tasks, and servers that never answer."""

from __future__ import annotations

import atexit
import json
import random
import socket
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks._common import ROOT
from benchmarks.faults.disk import result
from benchmarks.faults.programs import Ended, Instant, program
from benchmarks.faults.scenarios import rows_of
from benchmarks.faults.template import BATCH, expect, fresh
from vos.storage.json_files import read_json, write_json
from vos.storage.seeds import derive_seed

STUDIO = ROOT / ".cache/label-studio/venv/bin/label-studio"
NO_STUDIO = f"no Label Studio at {STUDIO.relative_to(ROOT)}: make label-studio-install"
TOKEN = "0123456789abcdef0123456789abcdef01234567"  # noqa: S105 - of a server on this machine, for these minutes

FIRST = 0.5
"""Share of the operations before which nothing is sent."""

SILENT = {
    "label_studio": ("synthesize", *BATCH, "labeling=label_studio", "labeling.timeout=2", "ledger=new.sqlite"),
    "argilla": ("synthesize", *BATCH, "labeling=argilla", "labeling.timeout=2", "ledger=new.sqlite"),
    "language model": (
        *("synthesize", *BATCH, "labeling=none", "candidates=pool_then_lm", "language_model=server"),
        *("language_model.model=some", "language_model.timeout=2", "language_model.retries=1"),
    ),
}
"""Commands that ask a server; it is named by the unit."""


@cache
def studio(folder: Path) -> str:
    """Address of a server that lives as long as this process."""
    from tests.labeling.backends.label_studio_server import Account, Server

    home = folder / "label-studio"
    server = Server(STUDIO, home, Account("owner@localhost.local", "a-long-password-1", TOKEN), _free_port())
    atexit.register(server.stop)
    server.wait()
    return server.url


def push(number: int, template: Path, folder: Path, seed: int) -> dict[str, Any]:
    """Kill a push once and repeat the command: the server has every text of the batch, once."""
    if not STUDIO.exists():
        return {"skipped": NO_STUDIO}
    url = studio(folder.parent)
    steps = _steps(url, template, folder)
    draw = random.Random(derive_seed(seed, "push", number))  # noqa: S311 - instants, no secrets
    at = Instant(step=min(int(draw.uniform(FIRST, 1.0) * steps), steps - 1))
    place = fresh(template, folder / "work" / "push")
    command = _push_command(url, f"{folder.parent.name} {number}")
    first = program(command, place, at=at, environment={"LABEL_STUDIO_API_KEY": TOKEN})
    again = program(command, place, environment={"LABEL_STUDIO_API_KEY": TOKEN})
    sent = [row for row in rows_of(place / "new.sqlite") if row[0] == "sent"]
    exported = {row[1] for row in rows_of(place / "new.sqlite") if row[0] == "exported"}
    held = [uid for project in {row[4]["project"] for row in sent} for uid in _held(url, project)]
    return {
        **result(again),
        "tracebacks": first.traces + again.traces,
        "step": at.step,
        "lost": len(exported - set(held)) + len(exported - {row[1] for row in sent}),
        "doubled": len(held) - len(set(held)),
        "differences": [] if exported else ["nothing was exported"],
    }


def _steps(url: str, template: Path, folder: Path) -> int:
    """Operations of a push that nobody hinders."""
    kept = folder / "push.json"
    if not kept.exists():
        place = fresh(template, folder / "work" / "push")
        command = _push_command(url, "whole")
        ended = expect(program(command, place, environment={"LABEL_STUDIO_API_KEY": TOKEN}), "a push")
        write_json(kept, {"steps": ended.steps})
    return int(read_json(kept)["steps"])


def _push_command(url: str, title: str) -> tuple[str, ...]:
    own = ("labeling=label_studio", f"labeling.url={url}", f"labeling.settings.title={title}")
    return ("synthesize", *BATCH, *own, "ledger=new.sqlite", "output=batch", "labeling.plan.gold_share=0")


def _held(url: str, project: int) -> list[str]:
    request = urllib.request.Request(  # noqa: S310 - our own address
        f"{url}/api/projects/{project}/export?exportType=JSON&download_all_tasks=true",
        headers={"Authorization": f"Token {TOKEN}"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own address
        return [str(task["data"]["uid"]) for task in json.load(answer)]


def silent(name: str, template: Path, folder: Path) -> dict[str, Any]:
    """A program whose server takes connections and never answers: it says so in time."""
    place = fresh(template, folder / "work" / "silent")
    with silent_server() as port:
        url = f"http://127.0.0.1:{port}"
        address = f"language_model.url={url}/v1" if name == "language model" else f"labeling.url={url}"
        keys = {"LABEL_STUDIO_API_KEY": TOKEN, "ARGILLA_API_KEY": "a.key"}
        ended: Ended = program([*SILENT[name], address, "output=batch"], place, environment=keys, limit=90)
    found = result(ended)
    return {**found, "unexplained": int(not ended.told)}


@contextmanager
def silent_server() -> Iterator[int]:
    """A port that takes connections, and keeps them."""
    held: list[socket.socket] = []
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)

        def take() -> None:
            while True:
                try:
                    held.append(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=take, daemon=True)
        thread.start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
    for each in held:
        each.close()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
