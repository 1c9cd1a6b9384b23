"""The whole loop through the two commands and a real Label Studio; and a server that is killed during a write."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

import synthesize
import train
from tests.cli.commands import write_texts
from tests.labeling.backends.label_studio_server import Server
from tests.labeling.backends.studio import CLASSES, OWNER, PROGRAM, free_port, result, task_ids
from vos.errors import ToolError
from vos.labeling import Ledger, current_labels, text_uid
from vos.labeling.backends.page import PageBatch, PageSettings

pytestmark = pytest.mark.slow

httpx = pytest.importorskip("httpx")
pytest.importorskip("label_studio_sdk")


@pytest.fixture
def command(monkeypatch):
    def call(main, *overrides):
        monkeypatch.setattr(sys, "argv", ["vos", *map(str, overrides)])
        return main()

    return call


@pytest.fixture
def run(tmp_path, tiny_encoder, command):
    """A finished run of a small frozen classifier over files."""
    sizes = {"train": (40, 0), "val": (24, 100), "test": (16, 200), "pool": (60, 300)}
    files = [f"data.{name}={write_texts(tmp_path / f'{name}.csv', *size)}" for name, size in sizes.items()]
    command(
        train.main, "data=files", *files, "data.text=comment", "data.label=toxic", "data.id=key",
        f"model.name={tiny_encoder}", "model.freeze=true", "model.max_length=32", "loader.batch_size=8",
        "trainer.max_epochs=2", "refine.rounds=1", "refine.n_outliers=10", "callbacks=quiet", "callbacks.patience=-1",
        "outliers.distance=null", "logger=none", f"paths.cache={tmp_path / 'cache'}",
        f"hydra.run.dir={tmp_path / 'run'}",
    )  # fmt: skip
    return tmp_path / "run"


def test_from_a_run_to_people_and_back_into_the_next_round(
    run, server, people, second_token, command, monkeypatch, tmp_path, capsys
):
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", OWNER.token)
    ledger = f"ledger={tmp_path / 'ledger.sqlite'}"
    command(
        synthesize.main, f"run={run}", "n=12", ledger, f"paths.cache={tmp_path / 'cache'}", "outliers.distance=null",
        "candidates.selection.max_cosine=null", "progress=false",
        "candidates.targets_per_class=8", "candidates.n_directions=4",
        "candidates.selection.max_distance=50", "candidates.selection.near_duplicate=1.0",
        "candidates.potential.delta=5", "labeling=label_studio", f"labeling.url={server.url}",
        "labeling.plan.gold_share=0.25", "labeling.plan.annotators=[ann,bob]", "labeling.plan.overlap_share=0.5",
        f"labeling.settings.title=loop {time.time_ns()}",
    )  # fmt: skip
    with Ledger(tmp_path / "ledger.sqlite") as book:
        gold, records = book.gold(), book.records()
        projects = sorted({event.payload["project"] for event in book.events("sent")})
        tasks = {(event.payload["project"], event.uid): event.payload["task"] for event in book.events("sent")}
        asked = {event.uid: event.payload["people"] for event in book.events("exported")}
    assert len(gold) == 3
    assert len(projects) == 2
    assert len(tasks) == sum(map(len, asked.values()))
    said = {}
    for project, token, name in zip(projects, (OWNER.token, second_token), ("ann", "bob"), strict=True):
        client = people(token)
        assert client.projects.get(project).title.endswith(name)
        mine = sorted(uid for place, uid in tasks if place == project)
        assert [names for uid in mine for names in [asked[uid]] if name not in names] == []
        for i, uid in enumerate(mine):
            answer = gold.get(uid) or ("yes" if "fell" in records[uid].text else "no")
            answer = "yes" if name == "bob" and uid in gold else answer  # bob calls everything known harmful
            skipped = i == 0 and uid not in gold
            client.annotations.create(
                id=tasks[project, uid], result=[] if skipped else result(answer), was_cancelled=skipped
            )
            if not skipped and uid not in gold:
                said.setdefault(uid, answer)
    labels = ["labels=label_studio", f"labels.url={server.url}", ledger, f"run={run}", "logger=none"]
    capsys.readouterr()
    command(train.main, *labels, f"hydra.run.dir={tmp_path / 'next'}")
    printed = " ".join(capsys.readouterr().out.split())
    assert "known answers, owner@localhost.local" in printed
    assert "3 of 3 right (95 %: 44% to 100%)" in printed
    assert "Krippendorff's alpha" in printed
    rows = [json.loads(line) for line in (tmp_path / "next" / "train.jsonl").read_text("utf-8").splitlines()]
    new = {text_uid(row["text"]): row["label"] for row in rows if row["id"].startswith("label:")}
    assert {uid: ("no", "yes")[label] for uid, label in new.items()} == said
    assert not set(new) & set(gold)
    with Ledger(tmp_path / "ledger.sqlite") as book:
        assert {event.uid: event.payload["label"] for event in book.events("trained")} == said
    metrics = json.loads((tmp_path / "next" / "metrics.json").read_text())
    before = json.loads((run / "metrics.json").read_text())["final"]
    assert metrics["rounds"][0]["boundary/band"] == before["boundary/band"]
    # An answer deleted on the server is taken back.
    uid = next(uid for uid in said if asked[uid] == ["ann"])
    task = people(OWNER.token).tasks.get(id=tasks[projects[0], uid])
    people(OWNER.token).annotations.delete(id=task.annotations[0]["id"])
    command(train.main, *labels, "warm_start=false", f"hydra.run.dir={tmp_path / 'third'}")
    with Ledger(tmp_path / "ledger.sqlite") as book:
        assert uid not in current_labels(book)
    rows = [json.loads(line) for line in (tmp_path / "third" / "train.jsonl").read_text("utf-8").splitlines()]
    assert uid not in {text_uid(row["text"]) for row in rows if row["id"].startswith("label:")}


@pytest.fixture
def mortal(server, tmp_path):
    """A second server over a copy of the first one's data; `start()` starts it, or starts it again."""
    home = tmp_path / "mortal"
    shutil.copytree(Path(server.log).parent, home)
    started = []

    def start() -> Server:
        started.append(Server(PROGRAM, home, OWNER, free_port()))
        started[-1].wait()
        return started[-1]

    yield start
    for each in started:
        each.stop()


class Killer:
    """Hooks of a client that end the server by SIGKILL while the second of three parts is under way.

    `moment` is the time in seconds after which the server dies: whether it has stored the part by then, or has even
    answered, depends on the machine. "answered" is the worst case: the part is stored and the answer is lost.
    """

    def __init__(self, server: Server, moment: float | str) -> None:
        self.process, self.moment, self.parts = server._process, moment, 0

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def request(self, request: httpx.Request) -> None:
        if not request.url.path.endswith("/import"):
            return
        self.parts += 1
        if self.parts == 2 and self.moment != "answered":
            threading.Timer(self.moment, self.kill).start()
        if self.parts == 3:  # a quick server has answered in time: the third part waits, and meets a dead server
            self.process.wait()

    def response(self, response: httpx.Response) -> None:
        if self.parts == 2 and self.moment == "answered":
            self.kill()
            raise httpx.ReadError("the connection broke", request=response.request)


@pytest.mark.parametrize("moment", [0.02, 0.2, "answered"])
def test_a_server_killed_in_the_middle_of_a_push_holds_no_doubles_afterwards(mortal, tmp_path, record_of, moment):
    from vos.labeling.backends.label_studio import LabelStudioTool

    records = [record_of(f"text {i} of a long batch") for i in range(240)]
    batch = PageBatch(f"b{time.time_ns() % 10**9}", records, CLASSES)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.propose(records)
        ledger.export(batch.batch_id, "label_studio", [record.uid for record in records])
        server = mortal()
        with closing(LabelStudioTool(server.url, OWNER.token, chunk_size=80)) as tool:
            killer = Killer(server, moment)
            tool._http.event_hooks = {"request": [killer.request], "response": [killer.response]}
            with pytest.raises(ToolError, match="the server does not answer"):
                tool.push(ledger, batch, PageSettings())
        acknowledged = len(task_ids(ledger))
        assert acknowledged in ((80,) if moment == "answered" else (80, 160))
        with closing(LabelStudioTool(mortal().url, OWNER.token, chunk_size=80)) as tool:
            report = tool.push(ledger, batch, PageSettings())
            held = [task["data"]["uid"] for task in tool.export(report.project)]
        assert (report.created, report.sent + report.present) == (False, 240)
        assert report.present in ((160,) if moment == "answered" else (acknowledged, 160))
        assert sorted(held) == sorted(record.uid for record in records)
        assert set(task_ids(ledger)) == set(held)
