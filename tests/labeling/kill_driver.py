"""Kills a writer of the ledger at random times and checks what is left; run by test_ledger_kill.

argv: folder, number of kills, seed. Prints one JSON object. Forks from a small process, so a kill costs milliseconds.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import sys
import time
from pathlib import Path

from vos.labeling.item import Item
from vos.labeling.label import Label
from vos.labeling.ledger import Ledger
from vos.storage.text_ids import text_uid

GROUP = 3  # answers written in one transaction: all or none


def write_for_ever(path: Path, acknowledge: int, generation: int) -> None:
    """Answers in transactions of `GROUP`; after each commit its number goes into the pipe."""
    with Ledger(path) as ledger:
        uid = text_uid("a text")
        ledger.propose([Item("a text")])
        for number in range(10**9):
            with ledger.transaction():
                for part in range(GROUP):
                    who = f"{generation}/{number}/{part}"
                    ledger.record_label(Label(uid, who, "harmful", "2026-11-21T10:00:00Z"))
            os.write(acknowledge, f"{number}\n".encode())


def survivors(path: Path) -> dict[tuple[int, int], int]:
    """(generation, number) to how many of its `GROUP` answers are there."""
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    found: dict[tuple[int, int], int] = {}
    if connection.execute("PRAGMA user_version").fetchone() == (0,):  # killed before the tables were there
        connection.close()
        return found
    for (who,) in connection.execute("SELECT who FROM events WHERE kind = 'labelled'"):
        generation, number, _ = map(int, who.split("/"))
        found[generation, number] = found.get((generation, number), 0) + 1
    connection.close()
    return found


def _first(path: Path) -> float:
    """Seconds until a writer has acknowledged something: an instant is drawn from a few times as many."""
    reader, writer = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        write_for_ever(path, writer, 0)
    os.close(writer)
    os.read(reader, 1)
    seconds = time.monotonic() - began
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reader)
    return seconds


def main(folder: Path, kills: int, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - instants, not secrets
    path = folder / "ledger.sqlite"
    acknowledged: set[tuple[int, int]] = set()
    longest = max(0.06, 3 * _first(folder / "first.sqlite"))
    for generation in range(kills):
        if generation % 20 == 0:  # a fresh file now and then, so that its making is killed too
            for suffix in ("", "-wal", "-shm"):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            acknowledged_here: set[tuple[int, int]] = set()
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            write_for_ever(path, writer, generation)
        os.close(writer)
        time.sleep(rng.uniform(0.0, longest))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with os.fdopen(reader) as pipe:
            done = {(generation, int(line)) for line in pipe.read().split("\n")[:-1]}
        acknowledged |= done
        acknowledged_here |= done
        found = survivors(path) if path.exists() and path.stat().st_size else {}
        missing = acknowledged_here - found.keys()
        assert not missing, f"acknowledged and lost: {sorted(missing)[:5]}"
        assert set(found.values()) <= {GROUP}, "half a transaction was kept"
    sys.stdout.write(json.dumps({"kills": kills, "acknowledged": len(acknowledged)}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
