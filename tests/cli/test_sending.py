"""Sending a batch: problems are found before the work, and the same command sends what was not sent."""

import pytest

import synthesize
from tests.cli.commands import call, failing, synthesis
from tests.labeling.backends.studio import free_port
from vos.labeling import Ledger, read_jsonl, text_states
from vos.labeling.instructions import Instructions


def command(run, folder, *more):
    """A synthesis that asks people."""
    asked = [each for each in synthesis(run, f"output={folder / 'batch'}") if each != "labeling=none"]
    return [*asked, f"ledger={folder / 'ledger.sqlite'}", *more]


@pytest.mark.parametrize(
    ("more", "token", "message"),
    [
        (["labeling=label_studio"], None, "expected a token in the environment variable LABEL_STUDIO_API_KEY"),
        (["labeling=label_studio"], "a" * 40, "could not connect, the server does not answer"),
        (["labeling=argilla"], None, "expected a token in the environment variable ARGILLA_API_KEY"),
        (["labeling=label_studio", "labeling.settings.mode=reveal"], "a" * 40, "works on the offline page only"),
        (["labeling.plan.gold_path=none.csv"], None, "none.csv"),
        (["labeling.settings.guidelines=none.md"], None, "labeling.settings.guidelines=none.md: expected a file"),
        (["labeling=files", "labeling.settings.question=' '"], None, "labeling.settings.question: expected one line"),
    ],
)
def test_nobody_can_be_asked_is_noticed_before_the_pool_is_read(
    run, monkeypatch, capsys, tmp_path, more, token, message
):
    pytest.importorskip("label_studio_sdk")
    pytest.importorskip("argilla")
    for name in ("LABEL_STUDIO_API_KEY", "ARGILLA_API_KEY"):
        monkeypatch.delenv(name, raising=False) if token is None else monkeypatch.setenv(name, token)
    url = [f"labeling.url=http://127.0.0.1:{free_port()}"] if "labeling=label_studio" in more else []
    error = failing(synthesize.main, monkeypatch, capsys, *command(run, tmp_path, *more, *url))
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_batch_that_was_written_and_not_sent_is_sent_by_the_same_command(run, monkeypatch, capsys, tmp_path):
    own = command(run, tmp_path, "labeling.plan.gold_share=0.25")
    (tmp_path / "batch/label.html/in-the-way").mkdir(parents=True)  # the page cannot be written
    assert "label.html" in failing(synthesize.main, monkeypatch, capsys, *own)
    records = read_jsonl(tmp_path / "batch/near_boundary.jsonl")
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert ledger.asked() == []
        assert set(text_states(ledger).values()) == {"proposed"}
        gold = ledger.gold(ledger.events("exported")[0].batch)
        assert ledger.gold() == {}
        assert ledger.reason_against(records[0].uid, "another") is None
    (tmp_path / "batch/label.html/in-the-way").rmdir()
    (tmp_path / "batch/label.html").rmdir()
    capsys.readouterr()
    call(synthesize.main, monkeypatch, *own)
    page = (tmp_path / "batch/label.html").read_text("utf-8")
    assert all(record.uid in page for record in records)
    assert '"question":"Is it toxic?","guidelines":""' in page  # the question that the run's data were given
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert {event.uid for event in ledger.asked()} == {record.uid for record in records} | set(gold)
        assert ledger.gold() == gold
        assert set(text_states(ledger).values()) == {"exported"}
        assert list(ledger.instructions().values()) == [[Instructions("Is it toxic?")]]
        assert len(ledger.events("sent")) == len(records) + len(gold)
    error = failing(synthesize.main, monkeypatch, capsys, *own)  # everybody can see it now
    assert "near_boundary.jsonl exists; keep it with output=FOLDER" in error


def test_a_batch_of_other_settings_is_not_sent_in_their_place(run, monkeypatch, capsys, tmp_path):
    call(synthesize.main, monkeypatch, *command(run, tmp_path, "labeling=none"))
    written = (tmp_path / "batch/near_boundary.jsonl").read_bytes()
    error = failing(synthesize.main, monkeypatch, capsys, *command(run, tmp_path, "seed=1"))
    assert "exists, made with other settings, and was not sent to everybody" in error
    call(synthesize.main, monkeypatch, *command(run, tmp_path))
    assert (tmp_path / "batch/near_boundary.jsonl").read_bytes() == written
    assert (tmp_path / "batch/label.html").exists()


def test_a_question_of_ones_own_with_a_file_of_guidelines_stands_in_the_sheet(run, monkeypatch, tmp_path):
    (tmp_path / "rule.md").write_text("# Rude\n\nIrony counts.\n", encoding="utf-8")
    asked = ["labeling.settings.question=Is it rude?", f"labeling.settings.guidelines={tmp_path / 'rule.md'}"]
    call(synthesize.main, monkeypatch, *command(run, tmp_path, "labeling=files", *asked))
    told = (tmp_path / "batch/to_label.txt").read_text("utf-8")
    assert told.startswith(
        "Is it rude?\n\n# Rude\n\nIrony counts.\n\nWrite into the column label one of: yes, no, unsure"
    )
    assert "Is it rude?" in (tmp_path / "batch/to_label.csv").read_text("utf-8").splitlines()[1]
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert list(ledger.instructions().values()) == [[Instructions("Is it rude?", "# Rude\n\nIrony counts.")]]


def test_a_new_batch_does_not_replace_a_sheet_with_answers(run, monkeypatch, capsys, tmp_path):
    call(synthesize.main, monkeypatch, *command(run, tmp_path, "labeling=files"))
    sheet, batch = tmp_path / "batch/to_label.csv", tmp_path / "batch/near_boundary.jsonl"
    sheet.write_text(sheet.read_text("utf-8").replace(",,,", ",yes,,", 1).replace(",,", ",yes,", 1), encoding="utf-8")
    kept = sheet.read_bytes(), batch.read_bytes(), sorted((tmp_path / "batch").iterdir())
    again = command(run, tmp_path, "labeling=files", "seed=1", "overwrite=true")
    error = failing(synthesize.main, monkeypatch, capsys, *again)
    assert f"import it first with labels=files labels.path={sheet}" in error
    assert len(error.strip().splitlines()) == 1
    assert kept == (sheet.read_bytes(), batch.read_bytes(), sorted((tmp_path / "batch").iterdir()))
