"""A real Label Studio server: push, label as two people, pull, import."""

from __future__ import annotations

import time
import warnings
from contextlib import ExitStack, closing

import pytest

from tests.labeling.backends.studio import CLASSES, OWNER, result, task_ids
from vos.errors import ToolError
from vos.labeling import Ledger, consensus, current_labels, import_labels, text_uid
from vos.labeling.backends.page import PageBatch, PageSettings

TEXTS = ["👩‍👩‍👧 😀 the ladder fell", "two", "three", "four", "five", "six", "seven", "eight"]

pytestmark = pytest.mark.slow

httpx = pytest.importorskip("httpx")
pytest.importorskip("label_studio_sdk")


@pytest.fixture
def connect(server):
    from vos.labeling.backends.label_studio import LabelStudioTool

    with ExitStack() as stack:
        yield lambda token=OWNER.token, **options: stack.enter_context(
            closing(LabelStudioTool(server.url, token, **options))
        )


@pytest.fixture
def pushed(tmp_path, record_of):
    """A ledger with a batch exported; its name is new for every test, projects stay on the server."""
    name = f"b{time.time_ns() % 10**9}"
    records = [record_of(text) for text in TEXTS]
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.propose(records)
        ledger.export(name, "label_studio", [record.uid for record in records])
        yield ledger, PageBatch(name, records, CLASSES)


def test_a_batch_goes_out_is_judged_by_two_people_and_comes_back(server, connect, people, pushed, second_token):
    ledger, batch = pushed
    report = connect().push(ledger, batch, PageSettings())
    assert (report.created, report.sent, report.present) == (True, 8, 0)
    again = connect().push(ledger, batch, PageSettings())
    assert (again.created, again.sent, again.present, again.project) == (False, 0, 8, report.project)
    ids = {text: task_ids(ledger)[text_uid(text)] for text in TEXTS}

    ann, bob = people(OWNER.token), people(second_token)
    project = ann.projects.get(report.project)
    assert project.model_version == "m"
    assert project.show_collab_predictions is False
    assert project.expert_instruction.startswith("<h3>Which fits this text best")
    units = len("👩‍👩‍👧 😀 ".encode("utf-16-le")) // 2
    span = {"start": units, "end": units + 10, "text": "the ladder", "labels": ["reason"]}
    ann.annotations.create(id=ids[TEXTS[0]], result=result("harmful", span), lead_time=4.2)
    seen = httpx.get(
        f"{server.url}/api/projects/{report.project}/next", headers={"Authorization": f"Token {second_token}"}
    ).json()
    assert (seen["annotations"], seen["predictions"]) == ([], [])  # blind
    bob.annotations.create(id=ids[TEXTS[0]], result=result("harmful"), lead_time=3.0)
    ann.annotations.create(id=ids["two"], result=result("harmful"))
    bob.annotations.create(id=ids["two"], result=result("harmless"))
    ann.annotations.create(id=ids["three"], result=[], was_cancelled=True)
    ann.annotations.create(id=ids["four"], result=result("unsure"))
    ann.annotations.create(id=ids["five"], result=result("harmful"))
    ann.annotations.create(id=ids["five"], result=result("harmless"))

    personal = (
        httpx.post(f"{server.url}/api/token/", json={}, headers={"Authorization": f"Token {OWNER.token}"})
        .raise_for_status()
        .json()["token"]
    )
    rows = connect(personal).pull(ledger)
    found = import_labels(ledger, rows, CLASSES)
    assert {k: n for k, n in found.counts.items() if n} == {"new": 7, "changed": 1, "conflict": 1}
    assert found.exit_code == 0
    answers = current_labels(ledger)
    (first,) = [a for a in answers[text_uid(TEXTS[0])] if a.spans]
    assert TEXTS[0][first.spans[0].start : first.spans[0].end] == "the ladder"
    assert (first.annotator, first.seconds) == (OWNER.email, 4.2)
    assert [a.label for a in answers[text_uid("five")]] == ["harmless"]  # newest wins
    settled = consensus(ledger)
    assert settled.labels == {text_uid(TEXTS[0]): "harmful", text_uid("five"): "harmless"}
    assert settled.open == {text_uid("two"): "tie", text_uid("four"): "unsure"}
    assert import_labels(ledger, connect(personal).pull(ledger), CLASSES).counts["duplicate"] == 8


@pytest.mark.parametrize("after_the_answer", [False, True])
def test_a_push_that_dies_halfway_is_resumed_without_doubles(connect, pushed, monkeypatch, after_the_answer):
    ledger, batch = pushed
    tool = connect(chunk_size=3)
    calls = []
    real_import, real_note = tool._client.projects.import_tasks, tool._note_sent

    def dying_import(**options):
        calls.append(1)
        if len(calls) == 2:
            raise httpx.ConnectError("connection refused")
        return real_import(**options)

    def dying_note(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real_note(*arguments)

    if after_the_answer:  # the server has the texts, we die before the ledger knows
        monkeypatch.setattr(tool, "_note_sent", dying_note)
        with pytest.raises(KeyboardInterrupt):
            tool.push(ledger, batch, PageSettings())
    else:
        monkeypatch.setattr(tool._client.projects, "import_tasks", dying_import)
        with pytest.raises(ToolError, match=r"could not send texts 4 to 6 of 8, the server does not answer"):
            tool.push(ledger, batch, PageSettings())
    assert len(task_ids(ledger)) == 3
    report = connect(chunk_size=3).push(ledger, batch, PageSettings())
    assert report.sent == (2 if after_the_answer else 5)
    held = [task["data"]["uid"] for task in connect().export(report.project)]
    assert sorted(held) == sorted(text_uid(text) for text in TEXTS)
    assert sorted(task_ids(ledger)) == sorted(held)


def test_refused_tokens_say_their_kind(connect):
    with pytest.raises(ToolError, match="the legacy token was refused"):
        connect("f" * 40)
    import jwt

    for expired in (1, int(time.time()) + 3600):  # past, and of another server
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            token = jwt.encode({"exp": expired, "token_type": "refresh"}, "k" * 32, algorithm="HS256")
        with pytest.raises(ToolError, match=r"the personal access token .*was refused"):
            connect(token)


def test_a_server_that_is_not_there_is_said(pushed):
    from vos.labeling.backends.label_studio import LabelStudioTool

    with pytest.raises(ToolError, match=r"127\.0\.0\.1:9: could not connect, the server does not answer"):
        LabelStudioTool("http://127.0.0.1:9", OWNER.token)
