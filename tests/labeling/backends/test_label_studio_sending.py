"""The same command sends an unsent batch to a real Label Studio, once."""

from __future__ import annotations

import pytest

import synthesize
from tests.cli.commands import call, failing, synthesis
from tests.cli.conftest import run, workplace  # noqa: F401 - fixtures
from tests.labeling.backends.studio import OWNER
from vos.labeling import Ledger, read_jsonl

pytestmark = pytest.mark.slow

pytest.importorskip("label_studio_sdk")


def test_the_same_command_sends_what_was_written_and_doubles_nothing(
    run, server, people, monkeypatch, capsys, tmp_path
):
    own = [each for each in synthesis(run, f"output={tmp_path / 'batch'}") if each != "labeling=none"]
    own += [f"ledger={tmp_path / 'ledger.sqlite'}", "labeling.plan.gold_share=0"]
    studio = ["labeling=label_studio", f"labeling.url={server.url}"]
    call(synthesize.main, monkeypatch, *[*own[:-1], "labeling=none"])  # written, nobody asked
    monkeypatch.delenv("LABEL_STUDIO_API_KEY", raising=False)
    assert "expected a token" in failing(synthesize.main, monkeypatch, capsys, *own, *studio)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "0" * 40)
    assert "was refused" in failing(synthesize.main, monkeypatch, capsys, *own, *studio)
    assert not (tmp_path / "ledger.sqlite").exists()
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", OWNER.token)
    records = read_jsonl(tmp_path / "batch/near_boundary.jsonl")
    call(synthesize.main, monkeypatch, *own, *studio)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert {event.uid for event in ledger.asked()} == {record.uid for record in records}
        (project,) = {event.payload["project"] for event in ledger.events("sent")}
    assert "near_boundary.jsonl exists" in failing(synthesize.main, monkeypatch, capsys, *own, *studio)
    held = [task.data["uid"] for task in people(OWNER.token).tasks.list(project=project)]
    assert sorted(held) == sorted(record.uid for record in records)
