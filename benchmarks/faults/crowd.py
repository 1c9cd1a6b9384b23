"""Many processes using one ledger, one cache, one folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.faults.disk import result
from benchmarks.faults.kills import uninterrupted
from benchmarks.faults.programs import Ended, program
from benchmarks.faults.scenarios import SCENARIOS, differences, doubled, left, rows_of
from benchmarks.faults.template import BATCH, fresh
from vos.storage.json_files import read_json, write_json

WRITERS, TURNS = 32, 5


def writers(kind: str, template: Path, folder: Path, seed: int) -> dict[str, Any]:  # noqa: ARG001 - as every unit
    """So many writers at once; what each had acknowledged is there, once."""
    place = folder / "crowd"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    codes = together([lambda number=number: CROWDS[kind][0](place, number) for number in range(WRITERS)])
    found = CROWDS[kind][1](place)
    return {"kills": WRITERS, "unexplained": sum(code != 0 for code in codes), **found}


def together(jobs: list[Callable[[], object]]) -> list[int]:
    """Exit codes of processes that do these jobs at once."""
    children = []
    for job in jobs:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                job()
                code = 0
            except Exception as error:
                os.write(2, f"{type(error).__name__}: {error}\n".encode())
            finally:
                os._exit(code)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def _answer(place: Path, number: int) -> None:
    from vos.labeling import Ledger
    from vos.labeling.item import Item
    from vos.labeling.label import Label

    item = Item("a text")
    with Ledger(place / "ledger.sqlite") as ledger:
        ledger.propose([item])
        for turn in range(TURNS):
            with ledger.transaction():  # one of its own, and one that all of them write
                ledger.record_label(Label(item.uid, f"{number}/{turn}", "a", "2027-01-01T10:00:00Z"))
                ledger.record_label(Label(item.uid, f"all/{turn}", "a", "2027-01-01T10:00:00Z"))


def _answers(place: Path) -> dict[str, int]:
    who = [row[3] for row in rows_of(place / "ledger.sqlite") if row[0] == "labelled"]
    wanted = {f"{number}/{turn}" for number in [*range(WRITERS), "all"] for turn in range(TURNS)}
    return {"lost": len(wanted - set(who)), "doubled": len(who) - len(set(who))}


def _put(place: Path, number: int) -> None:
    import torch

    from vos.generation.server.replies import Reply
    from vos.generation.server.request_cache import RequestCache
    from vos.models import FeatureCache
    from vos.storage.bounded import make_room

    with FeatureCache(place / "features", "encoder", 4) as cache:
        replies = RequestCache(place / "server", "http://a")
        for turn in range(TURNS):
            texts = [f"{number} {turn}", f"all {turn}"]
            cache.put(texts, torch.full((2, 4), float(turn)))
            replies.put("/completions", {"asked": texts}, Reply((), number, turn))
            make_room(place, 1e-9)  # while somebody uses them, they stay


def _kept(place: Path) -> dict[str, int]:
    from vos.generation.server.request_cache import RequestCache
    from vos.models import FeatureCache

    pairs = [(f"{number} {turn}", f"all {turn}", turn) for number in range(WRITERS) for turn in range(TURNS)]
    with FeatureCache(place / "features", "encoder", 4) as cache:
        values, hit = cache.get([pair[0] for pair in pairs])
        shared, of_all = cache.get([f"all {turn}" for turn in range(TURNS)])
        wrong = sum(bool((values[i] != pair[2]).any()) for i, pair in enumerate(pairs) if hit[i])
        wrong += sum(bool((shared[turn] != turn).any()) for turn in range(TURNS) if of_all[turn])
    replies = RequestCache(place / "server", "http://a")
    for number in range(WRITERS):
        for turn in range(TURNS):
            reply = replies.get("/completions", {"asked": [f"{number} {turn}", f"all {turn}"]})
            wrong += reply is not None and (reply.prompt_tokens, reply.completion_tokens) != (number, turn)
    replies.close()
    return {"damaged": wrong}


def _weights(place: Path, number: int) -> None:
    import torch

    from vos.storage.bounded import make_room
    from vos.training.round_cache import RoundCache

    module: Any = torch.nn.Linear(20, 20)
    cache = RoundCache(place / "round-0", {"a": 1}, gib=1.0)
    for _ in range(TURNS):
        if not cache.restore(module):
            with torch.no_grad():
                module.weight.fill_(1.0), module.bias.fill_(1.0)
            cache.store(module)
        if not bool((module.weight == 1.0).all()):
            raise ValueError("weights of nobody")
        if number % 8 == 0:
            make_room(place, 0.0)


def _nothing(place: Path) -> dict[str, int]:  # noqa: ARG001 - as every reader
    return {}


def _in_turn(place: Path, number: int) -> None:  # noqa: ARG001 - as every writer
    from vos.storage.lock import owned

    for _ in range(TURNS):
        with owned(place / "owned", wait=True):
            path = place / "counter"
            path.write_text(str(int(path.read_text() if path.exists() else "0") + 1))


def _turns(place: Path) -> dict[str, int]:
    return {"lost": WRITERS * TURNS - int((place / "counter").read_text())}


CROWDS: dict[str, tuple[Callable[[Path, int], None], Callable[[Path], dict[str, int]]]] = {
    "ledger": (_answer, _answers),
    "caches": (_put, _kept),
    "kept weights": (_weights, _nothing),
    "one folder": (_in_turn, _turns),
}


def one_run(template: Path, folder: Path, seed: int) -> dict[str, Any]:  # noqa: ARG001 - as every unit
    """Two trainings in one folder: one is refused in a line, the other ends as it would alone."""
    reference, *_ = uninterrupted("train", template, folder)
    place = fresh(template, folder / "work" / "train")
    ended = _both(place, [SCENARIOS["train"].arguments] * 2)
    found = result(*ended)
    # One that comes when the other has ended says that there is nothing to do.
    return {**found, "differences": differences(left(place), reference)}


def one_ledger(template: Path, folder: Path, seed: int) -> dict[str, Any]:  # noqa: ARG001 - as every unit
    """Two batches for one ledger at once: no text is asked twice."""
    place = fresh(template, folder / "work" / "two batches")
    own = ("labeling=page", "ledger=new.sqlite", "labeling.plan.gold_share=0")
    ended = _both(place, [("synthesize", *BATCH, f"n={n}", *own, f"output=batch-{n}") for n in (9, 11)])
    asked = [row[1] for row in rows_of(place / "new.sqlite") if row[0] == "exported"]
    return {**result(*ended), "doubled": len(asked) - len(set(asked))}


def one_import(template: Path, folder: Path, seed: int) -> dict[str, Any]:  # noqa: ARG001 - as every unit
    """The same answers imported by two trainings at once: each is there once."""
    reference, *_ = uninterrupted("import", template, folder)
    place = fresh(template, folder / "work" / "two imports")
    command = SCENARIOS["import"].arguments
    ended = _both(place, [command, (*command[:-1], "hydra.run.dir=other")])
    found = left(place)
    labelled = {tuple(row[1:4]) for row in found["ledger ledger.sqlite"] if row[0] == "labelled"}
    wanted = {tuple(row[1:4]) for row in reference["ledger ledger.sqlite"] if row[0] == "labelled"}
    return {**result(*ended), "lost": len(wanted - labelled), "doubled": doubled(found)}


MEETINGS = {"one run": one_run, "one ledger": one_ledger, "one import": one_import}


def _both(place: Path, commands: list[tuple[str, ...]]) -> list[Ended]:
    """Programs at once in one folder."""

    def job(number: int) -> None:
        ended = program(commands[number], place)
        facts = {"code": ended.code, "said": ended.said, "steps": ended.steps, "seconds": ended.seconds}
        write_json(place.with_name(f"{number}.json"), {**facts, "hung": ended.hung})

    together([lambda number=number: job(number) for number in range(len(commands))])  # type: ignore[misc]
    return [Ended(**read_json(place.with_name(f"{number}.json"))) for number in range(len(commands))]
