"""Invalid input to labelling: each error is reported in plain words, and nothing is lost."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import ROOT
from vos.errors import DataError, ToolError
from vos.labeling import (
    Ledger,
    Span,
    current_labels,
    import_labels,
    read_jsonl,
    read_labels,
    text_uid,
    write_jsonl,
    write_labels,
)
from vos.labeling.backends import FileImporter

CLASSES = ("harmless", "harmful")


def said(report) -> str:
    return "\n".join(map(str, report.findings))


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_a_file_cut_off_anywhere_loses_its_last_line_alone(tmp_path, ledger, texts, label_of, cut):
    path = tmp_path / "labels.jsonl"
    write_labels(path, [label_of(text, comment="ünï 😀") for text in texts[:3]])
    path.write_bytes(path.read_bytes()[:-cut])
    try:
        report = import_labels(ledger, read_labels(path), CLASSES)
    except DataError as error:  # cut within a character
        assert "labels.jsonl: expected a UTF-8 text file" in str(error)  # noqa: PT017 - one of two good outcomes
        return
    whole = 3 if cut == 1 else 2  # only the last line feed is missing
    assert report.counts["new"] == whole
    assert report.counts["rejected"] == 3 - whole
    if whole == 2:
        assert "labels.jsonl:3: rejected: expected one JSON object" in said(report)
    assert len(current_labels(ledger)) == whole


def test_a_batch_file_cut_off_names_its_line(tmp_path, record_of):
    path = tmp_path / "near_boundary.jsonl"
    write_jsonl(path, [record_of("one"), record_of("two")])
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"near_boundary\.jsonl:2: expected one boundary record as JSON"):
        read_jsonl(path)


def test_another_version_is_named_with_what_to_do(tmp_path, ledger, texts, label_of):
    path = tmp_path / "labels.jsonl"
    rows = [label_of(texts[0]).as_dict() | {"schema_version": version} for version in (0, 2, "1", None)]
    path.write_text("\n".join(map(json.dumps, [*rows, label_of(texts[1]).as_dict()])), encoding="utf-8")
    report = import_labels(ledger, read_labels(path), CLASSES)
    assert (report.counts["rejected"], report.counts["new"], report.exit_code) == (4, 1, 2)
    assert said(report).count("import with the version of vos that exported it") == 4


def test_labels_for_texts_changed_since_the_export_name_the_cause(ledger, texts, label_of, tmp_path):
    path = tmp_path / "labels.jsonl"
    changed = [label_of(texts[0], text_hash="0" * 32), label_of(texts[1])]
    write_labels(path, changed)
    report = import_labels(ledger, read_labels(path), CLASSES)
    assert "labels.jsonl:1: rejected: the text has changed since it was exported; export it again" in said(report)
    assert list(current_labels(ledger)) == [text_uid(texts[1])]


def test_an_annotator_twice_in_one_file_and_in_two(ledger, texts, label_of, tmp_path):
    for name, labels in {
        "a.jsonl": [label_of(texts[0], "harmful"), label_of(texts[0], "harmless", minute=1)],
        "b.jsonl": [label_of(texts[0], "unsure", minute=2), label_of(texts[0], "harmful")],
    }.items():
        write_labels(tmp_path / name, labels)
    report = import_labels(
        ledger, FileImporter([str(tmp_path / "b.jsonl"), str(tmp_path / "a.jsonl")]).rows(ledger), CLASSES
    )
    assert {k: n for k, n in report.counts.items() if n} == {"new": 1, "older": 2, "duplicate": 1}
    (held,) = current_labels(ledger)[text_uid(texts[0])]
    assert held.label == "unsure"  # the newest, whichever file came first
    assert len(ledger.labels()) == 3


@pytest.mark.parametrize(
    "span", [Span(-1, 3, "the"), Span(3, 3, ""), Span(5, 2, "x"), Span(0, 10_000, "the"), Span(30, 31, "z")]
)
def test_a_span_outside_the_text_is_refused_and_the_rest_kept(ledger, texts, label_of, tmp_path, span):
    path = tmp_path / "labels.jsonl"
    write_labels(path, [label_of(texts[0], spans=(span,)), label_of(texts[0], who="bob", spans=(Span(0, 3, "the"),))])
    report = import_labels(ledger, read_labels(path), CLASSES)
    assert f"labels.jsonl:1: rejected: span {span.start}:{span.end} lies outside the text" in said(report)
    assert [label.annotator for label in current_labels(ledger)[text_uid(texts[0])]] == ["bob"]


def test_a_clock_that_runs_backwards_within_a_session_does_not_bring_old_answers_back(
    ledger, texts, label_of, tmp_path
):
    """The page's revisions decide: the third answer was given by a clock ten hours behind the first."""
    first = label_of(texts[0], "harmful", revision=0, minute=0)
    then = [replace(first, label="unsure", revision=1), label_of(texts[0], "harmless", revision=2, minute=-600)]
    path = tmp_path / "labels.jsonl"
    for labels in ([first], then[1:], then[:1]):
        write_labels(path, labels)
        report = import_labels(ledger, read_labels(path), CLASSES)
        assert report.counts["rejected"] == 0
    assert [label.label for label in current_labels(ledger)[text_uid(texts[0])]] == ["harmless"]


def test_an_expired_token_says_its_kind_and_when(monkeypatch):
    jwt = pytest.importorskip("jwt")
    from vos.labeling.backends.label_studio_connection import token_in_words

    expired = jwt.encode({"exp": 1_700_000_000, "token_type": "refresh"}, "k" * 32, algorithm="HS256")
    assert token_in_words(expired) == "personal access token (it expired on 2023-11-14)"
    lasting = jwt.encode({"exp": 4_000_000_000, "token_type": "refresh"}, "k" * 32, algorithm="HS256")
    assert token_in_words(lasting) == "personal access token"
    for damaged in ("a.b.c", "..", "a.bm90IGpzb24.c", "a.W10.c", "a.eyJleHAiOiAieCJ9.c"):
        assert token_in_words(damaged) == "personal access token"
    assert token_in_words("f" * 40) == "legacy token"


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 600 KB, where this machine lets us make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    done = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=600k", "none", folder], capture_output=True, text=True, check=False
    )
    if not done or done.returncode:
        pytest.skip(f"no small disk can be mounted here ({done.stderr.strip() if done else 'no mount'})")
    yield folder
    subprocess.run([str(shutil.which("umount")), folder], check=True)


def fill(folder: Path, limit: int) -> dict:
    done = subprocess.run(
        [sys.executable, "-m", "tests.labeling.full_disk_driver", folder, str(limit)],
        cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_a_full_disk_loses_nothing_that_was_acknowledged(small_disk, label_of):
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 150_000)
    result = fill(small_disk, 0)
    ledger_error, page_error = result["said"]
    assert "full; nothing of this step was kept, everything before it is; free the disk" in ledger_error
    assert "label.html was not written, what was there before is untouched" in page_error
    assert "No space left on device" in page_error
    assert result["acknowledged"] > 0
    filler.unlink()
    goes_on(small_disk, result["acknowledged"], label_of)


@pytest.mark.slow
def test_a_limit_on_file_sizes_loses_nothing_that_was_acknowledged(tmp_path, label_of):
    result = fill(tmp_path, 200_000)
    ledger_error, page_error = result["said"]
    assert "nothing of this step was kept, everything before it is" in ledger_error
    assert "File too large" in page_error
    assert result["acknowledged"] > 0
    goes_on(tmp_path, result["acknowledged"], label_of)


def goes_on(folder: Path, acknowledged: int, label_of) -> None:
    """Everything is there, and once there is room the same command works."""
    assert not list(folder.glob("*.partial"))
    with Ledger(folder / "ledger.sqlite") as ledger:
        assert ledger._connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert {label.annotator for _, label in ledger.labels()} == {f"person {i}" for i in range(acknowledged)}
        assert ledger.record_label(label_of("text 0", who="afterwards"))


def test_an_export_that_is_cut_off_takes_nothing():
    httpx = pytest.importorskip("httpx")
    pytest.importorskip("label_studio_sdk")
    from vos.labeling.backends.label_studio_connection import Connection

    connection = Connection.__new__(Connection)
    connection.url = "http://studio.test"

    class Exports:
        def download_sync(self, **_):
            yield b'[{"id": 1, "data": {"text": "he f'

    class Dying(Exports):
        def download_sync(self, **_):
            yield b"[{"
            raise httpx.RemoteProtocolError("peer closed connection")

    for exports, message in (
        (Exports(), "the export of project 7 is cut off"),
        (Dying(), "the server does not answer"),
    ):
        projects = type("Projects", (), {"exports": exports})
        connection._client = type("Client", (), {"projects": projects})
        with pytest.raises(ToolError, match=message):
            connection.export(7)
