"""Argilla: replayed exchanges recorded from a real server, and hand-written ones for the rest."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from vos.errors import ConfigError, ToolError
from vos.labeling import Ledger, current_labels, import_labels, text_uid
from vos.labeling.backends.page import Neighbour, PageBatch, PageSettings

httpx = pytest.importorskip("httpx")
pytest.importorskip("argilla")

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the client's own

CLASSES = {"harmful": "Harmful", "harmless": "Harmless"}
TIME = "2026-11-21T10:00:00.000000"
WHEN = {"inserted_at": TIME, "updated_at": TIME}
ANN, BOB = str(UUID(int=1)), str(UUID(int=2))


def person(number, name):
    return {"id": number, "username": name, "role": "owner"}


RECORDED = json.loads((Path(__file__).parent / "exchanges" / "argilla.json").read_text(encoding="utf-8"))


class Replay:
    """Answers as the real server did; every request must be the recorded one, in its order."""

    def __init__(self, *steps: str) -> None:
        self.left = [exchange for step in steps for exchange in RECORDED["steps"][step]]

    def __call__(self, request):
        expected = self.left.pop(0)
        assert (request.method, request.url.raw_path.decode()) == (expected["method"], expected["path"])
        body = json.loads(request.content or "null")
        if request.url.path.endswith("/records/bulk"):  # what the client adds of its own may differ
            sent, held = ({i["external_id"]: i["fields"] for i in side["items"]} for side in (body, expected["body"]))
            assert sent == held
        else:
            assert body == expected["body"]
        return httpx.Response(expected["status"], json=expected["answer"])


class Exchanges:
    """Hand-written answers of a server, in the shapes that the client's models declare."""

    def __init__(self) -> None:
        self.records: dict[str, dict] = {}
        self.datasets: list[dict] = []
        self.parts: dict[str, list[dict]] = {"fields": [], "questions": [], "vectors-settings": []}
        self.refuse = False
        self.bulk_calls = 0
        self.die_after_bulk = False

    def __call__(self, request):
        if self.refuse:
            return httpx.Response(401, json={"detail": "no"})
        path, body = request.url.path, json.loads(request.content or "{}")
        if path.endswith("/records/bulk"):
            return self.bulk(body)
        if path.endswith("/records"):
            offset = int(request.url.params["offset"])
            return httpx.Response(200, json={"items": list(self.records.values())[offset : offset + 200]})
        if request.method == "POST":
            made = body | {"id": str(uuid4())} | WHEN
            if path.endswith("/datasets"):
                self.parts = {name: [] for name in self.parts}
            place = self.datasets if path.endswith("/datasets") else self.parts[path.rsplit("/", 1)[1]]
            place.append(made)
            return httpx.Response(201, json=made)
        answers = {
            "/api/v1/me": person(ANN, "ann"),
            "/api/v1/me/workspaces": {"items": [{"id": str(UUID(int=9)), "name": "default", **WHEN}]},
            "/api/v1/me/datasets": {"items": self.datasets},
            "/api/v1/users": {
                "items": [{"id": i, "username": n, "role": "owner"} for i, n in ((ANN, "ann"), (BOB, "bob"))]
            },
        }
        if path in answers:
            return httpx.Response(200, json=answers[path])
        last = path.rsplit("/", 1)[1]
        if last in self.parts or last == "metadata-properties":
            return httpx.Response(200, json={"items": self.parts.get(last, [])})
        return httpx.Response(200, json=self.datasets[-1])  # the data set itself, or its publishing

    def bulk(self, body):
        self.bulk_calls += 1
        for item in body["items"]:
            self.records[item["external_id"]] = item | {"id": str(uuid4()), "updated_at": TIME, "responses": []}
        if self.die_after_bulk:
            raise httpx.RemoteProtocolError("server disconnected")
        items = [self.records[item["external_id"]] for item in body["items"]]
        return httpx.Response(200, json={"items": items, "updated_item_ids": []})

    def respond(self, text, user, status, **values):
        response = {"user_id": user, "status": status, "values": {k: {"value": v} for k, v in values.items()} or None}
        self.records[text_uid(text)]["responses"].append(response)


@pytest.fixture
def exchanges():
    return Exchanges()


@pytest.fixture
def connect(monkeypatch):
    """Connects over exchanges in place of a network."""
    from vos.labeling.backends.argilla import ArgillaTool

    def make(handler, *workspace):
        monkeypatch.setattr(httpx, "HTTPTransport", lambda **_: httpx.MockTransport(handler))
        return ArgillaTool("http://argilla.test", "key", *workspace)

    return make


@pytest.fixture
def tool(connect, exchanges):
    tool = connect(exchanges)
    yield tool
    tool.close()


def test_push_label_pull_import(tool, exchanges, tmp_path, record_of):
    texts = ["he fell", "😀 he fell", "three", "four"]
    records = [record_of(text) for text in texts]
    batch = PageBatch("b0", records, CLASSES, {records[0].uid: [Neighbour("it stood", "harmless")]})
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.propose(records)
        ledger.export("b0", "argilla", [record.uid for record in records])
        assert tool.push(ledger, batch, PageSettings()) == 4
        assert tool.push(ledger, batch, PageSettings()) == 0
        assert exchanges.bulk_calls == 1
        assert exchanges.datasets[0]["name"] == "vos-b0"
        assert {part["name"] for part in exchanges.parts["questions"]} == {"harm", "why", "comment"}
        sent = exchanges.records[records[0].uid]
        assert sent["fields"] == {"text": "he fell", "similar": "harmless: it stood"}
        assert not sent["suggestions"]  # blind
        mark = [{"label": "reason", "start": 3, "end": 7}]
        exchanges.respond("he fell", ANN, "submitted", harm="harmful", why=mark, comment="implied")
        exchanges.respond("he fell", BOB, "draft", harm="harmless")
        exchanges.respond("😀 he fell", ANN, "submitted", harm="unsure", why=mark)
        exchanges.respond("three", BOB, "discarded")
        exchanges.respond("four", ANN, "submitted", harm="evil")
        report = import_labels(ledger, tool.pull(ledger), CLASSES)
        assert {k: n for k, n in report.counts.items() if n and k != "clock"} == {"new": 3, "rejected": 1}
        labels = {label.uid: label for _, label in ledger.labels()}
        first = labels[text_uid("he fell")]
        assert (first.annotator, first.label, first.comment) == ("ann", "harmful", "implied")
        assert [span.text for span in first.spans] == ["fell"]
        assert labels[text_uid("😀 he fell")].spans == ()  # ambiguous offsets
        assert (labels[text_uid("three")].label, labels[text_uid("three")].annotator) == ("skip", "bob")


def test_a_mark_outside_its_text_turns_away_one_answer_and_no_other(tool, exchanges, tmp_path, record_of):
    records = [record_of(text) for text in ("he fell", "three")]
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.propose(records)
        ledger.export("b0", "argilla", [record.uid for record in records])
        tool.push(ledger, PageBatch("b0", records, CLASSES), PageSettings())
        exchanges.respond("he fell", ANN, "submitted", harm="harmful", why=[{"label": "reason", "start": 3, "end": 70}])
        exchanges.respond("three", ANN, "submitted", harm="harmful")
        report = import_labels(ledger, tool.pull(ledger), CLASSES)
        assert (report.counts["new"], report.counts["rejected"]) == (1, 1)
        assert "span 3:70 lies outside the text" in str(report.findings[0])


def test_a_batch_goes_to_a_real_server_and_comes_back(connect, tmp_path):
    from tests.labeling.backends import argilla_scenario as scenario

    assert RECORDED["server"].startswith("2.")
    replay = Replay("connect", "push", "assisted", "pull")
    tool = connect(replay)
    assert scenario.push(tool, tmp_path) == [5, 0, 5]  # the third time the ledger is a new one: nothing is doubled
    assert scenario.push_assisted(tool, tmp_path) == 1
    rows = scenario.pull(tool, tmp_path)
    assert replay.left == []
    tool.close()
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        report = import_labels(ledger, rows, CLASSES)
        assert {k: n for k, n in report.counts.items() if n and k != "clock"} == {"new": 5, "conflict": 1}
        answers = {(label.uid, label.annotator): label for _, label in ledger.labels()}
    (first,) = (label for (uid, _), label in answers.items() if uid == text_uid("he fell"))
    assert (first.label, first.comment, [span.text for span in first.spans]) == ("harmful", "implied", ["fell"])
    assert not first.shown_prediction
    assert answers[text_uid("three"), "bob"].label == "skip"
    assert {label.label for (uid, _), label in answers.items() if uid == text_uid("four")} == {"harmful", "harmless"}
    (emoji,) = (label for (uid, _), label in answers.items() if uid == text_uid("😀 he fell"))
    assert (emoji.label, emoji.spans) == ("unsure", ())  # where its marks lie cannot be told


def test_a_real_server_refuses_a_wrong_key(connect):
    with pytest.raises(ToolError, match="the API key was refused"):
        connect(Replay("refused"))


def test_a_workspace_that_is_not_there_is_named(connect):
    with pytest.raises(
        ConfigError, match=r"workspace=nowhere: expected one that .* has, found \['argilla', 'default'\]"
    ):
        connect(Replay("connect"), "nowhere")


def test_answers_deleted_or_made_drafts_again_are_taken_back(tool, exchanges, tmp_path, record_of):
    records = [record_of(text) for text in ("one", "two", "three")]
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.propose(records)
        ledger.export("b0", "argilla", [record.uid for record in records])
        tool.push(ledger, PageBatch("b0", records, CLASSES), PageSettings())
        for text in ("one", "two", "three"):
            exchanges.respond(text, ANN, "submitted", harm="harmful")
        assert import_labels(ledger, tool.pull(ledger), CLASSES).counts["new"] == 3
        exchanges.records[text_uid("one")]["responses"].clear()
        exchanges.records[text_uid("two")]["responses"][0]["status"] = "draft"
        assert import_labels(ledger, tool.pull(ledger), CLASSES).counts["withdrawn"] == 2
        assert list(current_labels(ledger)) == [text_uid("three")]
        assert import_labels(ledger, tool.pull(ledger), CLASSES).counts["withdrawn"] == 0


def test_answers_on_another_server_are_not_taken_back(tool, exchanges, tmp_path, record_of, label_of):
    records = [record_of("one")]
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.propose(records)
        ledger.export("b0", "argilla", [record.uid for record in records])
        place = {"url": "http://elsewhere.test", "dataset": "d"}
        ledger.append("sent", records[0].uid, "argilla:d:one", place, batch="b0", who="argilla")
        ledger.record_label(label_of("one", who="bob", tool="argilla"))
        tool.push(ledger, PageBatch("b0", records, CLASSES), PageSettings())
        exchanges.respond("one", ANN, "submitted", harm="harmful")
        report = import_labels(ledger, tool.pull(ledger), CLASSES)
        assert (report.counts["new"], report.counts["withdrawn"]) == (1, 0)
        assert [label.annotator for label in current_labels(ledger)[text_uid("one")]] == ["bob", "ann"]


def test_a_server_that_dies_mid_push_holds_every_text_once_after_the_next(tool, exchanges, tmp_path, record_of):
    records = [record_of(f"text {i}") for i in range(3)]
    batch = PageBatch("b0", records, CLASSES)
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.propose(records)
        ledger.export("b0", "argilla", [record.uid for record in records])
        exchanges.die_after_bulk = True
        with pytest.raises(ToolError, match="could not send batch b0, the server does not answer"):
            tool.push(ledger, batch, PageSettings())
        assert ledger.events("sent") == []
        exchanges.die_after_bulk = False
        assert tool.push(ledger, batch, PageSettings()) == 3
        assert len(exchanges.records) == len(ledger.events("sent")) == 3
        assert len(exchanges.datasets) == 1


def test_every_named_person_gets_a_data_set(tool, exchanges, tmp_path, record_of):
    records = [record_of("one")]
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.propose(records)
        ledger.export("b0", "argilla", [records[0].uid])
        for name in ("Ann B", "bob"):
            assert tool.push(ledger, PageBatch("b0", records, CLASSES, annotator=name), PageSettings()) == 1
        assert [each["name"] for each in exchanges.datasets] == ["vos-b0-ann_b", "vos-b0-bob"]


def test_suggestions_go_along_only_when_declared(tool, exchanges, tmp_path, record_of):
    records = [record_of("x")]
    with Ledger(tmp_path / "l.sqlite") as ledger:
        ledger.propose(records)
        with pytest.raises(ConfigError, match="offline page only"):
            tool.push(ledger, PageBatch("b1", records, CLASSES), PageSettings(mode="reveal"))
        tool.push(ledger, PageBatch("b1", records, CLASSES), PageSettings(mode="assisted"))
        (suggestion,) = exchanges.records[records[0].uid]["suggestions"]
        assert suggestion["value"] == "harmful"
        assert suggestion["score"] == pytest.approx(0.55)


def test_failures_are_said(tool, connect, exchanges, tmp_path):
    with Ledger(tmp_path / "l.sqlite") as ledger, pytest.raises(ToolError, match="knows no data set"):
        tool.pull(ledger)
    exchanges.refuse = True
    with pytest.raises(ToolError, match="the API key was refused"):
        connect(exchanges)

    def gone(_request):
        raise httpx.ConnectError("refused")

    with pytest.raises(ToolError, match="the server does not answer"):
        connect(gone)
