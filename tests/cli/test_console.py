"""Output of the programs on a terminal of 80 columns, on plain terminals, and in a file."""

import logging
import re
import sys

import pytest

import synthesize
import train
from tests.cli.commands import call, synthesis
from tests.cli.terminal import COLUMNS, on_terminal, printed, run_on_terminal, screen, too_wide
from tests.conftest import ROOT
from tests.training.wandb_file import history, the_file
from vos.cli.logs import LineHandler
from vos.labeling import Label, read_jsonl, write_labels

ESCAPES = ("\x1b", "\b")
PLAIN = [{"NO_COLOR": "1"}, {"TERM": "dumb"}]


def command(lines):
    """The command that the output ends with, as a shell reads it."""
    text = "\n".join(lines)
    return text[text.rindex("next: ") :].removeprefix("next: ").replace("\\\n", "").split()


@pytest.fixture(scope="module")
def on_screen(workplace, tmp_path_factory):
    """What a training of its own process writes on a terminal, and its folder."""
    folder = tmp_path_factory.mktemp("screen")
    own = [each for each in workplace[1] if not each.startswith("callbacks=")]
    code, written = run_on_terminal(
        ROOT / "train.py", *own, "loader.batch_size=1", "refine.rounds=2", "refine.tolerance=0", "logger=csv",
        "hydra.run.dir=outputs/a-run",
        cwd=folder,
    )  # fmt: skip
    assert code == 0, written
    return folder, written


@pytest.mark.slow
def test_a_run_begins_with_what_it_reads_and_where_it_runs(on_screen):
    first = " ".join(printed(on_screen[1])[:12])
    first = " ".join(first.split())
    assert "classes: harmful: 'yes'; not harmful: 'no'" in first
    assert "texts: 40 train, 16 validation, 16 test, 10 of another kind; train: 20 'no', 20 'yes'" in first
    assert re.search(r"device: CPU, \d+ threads?; precision: (bf16-mixed|32-true)", first)
    assert "truncation: none, no text has more than model.max_length=32 tokens" in first


@pytest.mark.slow
def test_the_bar_is_one_line_with_loss_rate_and_time_left_and_leaves_nothing(on_screen):
    states = [part for part in re.split(r"\r|\n", on_screen[1]) if "epoch" in part]
    plain = [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", state) for state in states]
    assert any(re.search(r"round 0, epoch 1 of 2 ━.* \d+/40 +\S+/s +\d+:\d\d left loss \d\.\d{3}", s) for s in plain)
    assert max(len(state.rstrip()) for state in plain) <= COLUMNS
    assert not any("epoch" in line and "━" in line for line in screen(on_screen[1]))


@pytest.mark.slow
def test_a_run_ends_with_a_table_that_fits_whole_paths_a_sentence_and_a_command(on_screen):
    folder, written = on_screen
    assert too_wide(written) == []
    assert printed(written) == screen(written)  # the terminal itself broke no line
    lines = [line for line in screen(written) if line]
    assert "The boundary, by round" in lines
    assert any(re.fullmatch(r" +Brier score +0\.\d+ +0\.\d+ +0\.\d+", line) for line in lines)
    paths = dict(line.split(": ") for line in lines if re.fullmatch(r"\S+: outputs/\S+", line))
    pictures = {"boundary.png", "boundary_by_round.png", "reliability.png"}
    assert paths.keys() == {"model", "density.safetensors", "metrics.json", "manifest.json", *pictures}
    assert all((folder / path).exists() for path in paths.values())
    end = " ".join(" ".join(lines[-4:]).split())
    assert re.search(
        r"Round \d is kept(, the best of 3|, as refining did not help): Brier score of the validation", end
    )
    assert command(lines) == ["python", "synthesize.py", "run=outputs/a-run", "n=100"]


def test_without_a_terminal_there_is_plain_text_and_an_epoch_leaves_a_line(workplace, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    own = [each for each in workplace[1] if not each.startswith("callbacks=")]
    call(train.main, monkeypatch, *own, "logger=none", "refine.rounds=0", f"paths.cache={tmp_path}/cache",
         "hydra.run.dir=run")  # fmt: skip
    told = capsys.readouterr()
    assert not any(each in told.out + told.err for each in (*ESCAPES, "\r", "━"))
    assert re.search(r"^round 0, epoch 2 of 2: loss \d\.\d{3}, 5 steps, \S+/s$", told.out, re.MULTILINE)
    assert re.search(r"^Round 0 is the only one: Brier score of the validation texts 0\.\d+\.$", told.out, re.MULTILINE)
    logged = (tmp_path / "run/train.log").read_text("utf-8")
    assert re.search(r"^\[\d{4}-\d\d-\d\d .*\]\[INFO\] - classes: ", logged, re.MULTILINE)
    assert "\x1b" not in logged


@pytest.mark.parametrize("environment", [{}, *PLAIN])
def test_a_batch_and_its_check_on_every_kind_of_terminal(run, monkeypatch, tmp_path, environment):
    output, ledger = tmp_path / "batch", tmp_path / "ledger.sqlite"
    settings = [each for each in synthesis(run) if each not in ("labeling=none", "progress=false")]
    for overrides in ([*settings, f"output={output}", f"ledger={ledger}"], [f"verify={output}/near_boundary.jsonl"]):
        with on_terminal(monkeypatch, **environment) as terminal, pytest.MonkeyPatch.context() as patch:
            call(synthesize.main, patch, *overrides)
        written = terminal.written
        assert too_wide(written) == []
        assert (
            any("\x1b" in written for _ in [0]) is (not environment and "verify" not in overrides[0])
            or environment == {}
        )
        if environment:
            assert not any(each in written.replace("\r\n", "\n") for each in (*ESCAPES, "\r", "━"))
        lines = [line for line in printed(written) if line]
        if "verify" in overrides[0]:
            assert lines[-1] == "Every number of this file follows from its texts and its run."
        else:
            assert "10 texts to label: 9 near the boundary, 1 at random" in " ".join(lines)
            assert command(lines) == ["python", "-m", "vos", "train", f"run={run}", "labels=files",
                                      "labels.path=DOWNLOADED.jsonl", f"ledger={ledger}"]  # fmt: skip
            assert f"where: {output}/label.html" in lines


def test_an_import_of_answers_on_a_terminal(run, workplace, monkeypatch, tmp_path):
    settings = [each for each in synthesis(run) if each != "labeling=none"]
    own = [f"ledger={tmp_path / 'ledger.sqlite'}"]
    call(synthesize.main, monkeypatch, *settings, *own, f"output={tmp_path}")
    records = read_jsonl(tmp_path / "near_boundary.jsonl")
    answers = [Label(each.uid, "ann", ("no", "yes")[i % 2], "2026-11-21T10:00:00Z") for i, each in enumerate(records)]
    write_labels(tmp_path / "answers.jsonl", answers)
    given = [*workplace[1], *own, f"run={run}", "labels=files", f"labels.path={tmp_path}/answers.jsonl"]
    with on_terminal(monkeypatch) as terminal, pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit):
        call(train.main, patch, *given, "dry_run=true", f"hydra.run.dir={tmp_path}/next")
    lines = [line for line in printed(terminal.written) if line]
    assert too_wide(terminal.written) == []
    assert "Labels (rehearsal, nothing is kept)" in lines
    assert any(re.fullmatch(r"  rows +10: 10 new", line) for line in lines)
    assert "Nothing was kept: the same command without dry_run=true" in " ".join(lines)
    with on_terminal(monkeypatch) as terminal, pytest.MonkeyPatch.context() as patch:
        call(train.main, patch, *given, f"hydra.run.dir={tmp_path}/next")
    lines = [line for line in printed(terminal.written) if line]
    assert too_wide(terminal.written) == []
    assert any(re.match(r" near the boundary +0 +\d of 9 +\d+% \(\d+% to \d+%\)", line) for line in lines)
    assert "labelling round 1: another round is worth it" in lines
    logged = {key: value for row in history(the_file(tmp_path / "next")) for key, value in row.items()}
    for name, file in (("pictures/mistakes", "mistakes.png"), ("pictures/labelling_rounds", "labelling_rounds.png")):
        picture = the_file(tmp_path / "next").parent / "files" / logged[name]["path"]
        assert picture.read_bytes() == (tmp_path / file).read_bytes()
    assert command(lines)[3:] == ["synthesize", f"run={tmp_path}/next", "n=100", own[0]]


def test_a_sweep_fits_the_terminal_and_says_which_run_is_best(workplace, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    own = [*workplace[1], "logger=none", "trainer.max_epochs=1", "hydra.sweep.dir=sweep", "outliers=tail"]
    with on_terminal(monkeypatch) as terminal, pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        call(train.main, patch, "-m", *own, "outliers.distance=0.9,0.99", "seed=0,1")
    assert too_wide(terminal.written) == []
    lines = [line for line in printed(terminal.written) if line]
    start = lines.index("Sweep sweep")
    assert any(re.match(r" ?3 +0\.99 +1 ", line) for line in lines[start:])
    assert any("±" in line for line in lines[start:])
    best = r"outliers\.distance=0\.9+ has the lowest mean Brier score of the validation texts: 0\.\d+ ± "
    assert re.search(best, " ".join(" ".join(lines).split()))
    assert command(lines)[-2:] == [next(w for w in command(lines) if w.startswith("run=sweep/")), "n=100"]
    assert {"comparison.csv: sweep/comparison.csv", "comparison.png: sweep/comparison.png"} <= set(lines)


def test_an_error_breaks_between_words(workplace, monkeypatch, tmp_path):
    with on_terminal(monkeypatch) as terminal, pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        with pytest.raises(SystemExit) as stop:
            call(train.main, patch, *workplace[1], "refine.keep=worst", "refine.rounds=-1")
    assert stop.value.code == 2
    assert too_wide(terminal.written) == []
    said = [line for line in screen(terminal.written) if line]
    assert said[0].startswith("error: ")
    assert len(said[0]) <= COLUMNS
    assert sys.stdout.isatty() is False  # the terminal is put away again


def test_messages_of_libraries_are_lines_and_those_of_no_use_are_left_out(capsys):
    handler = LineHandler()
    for name, level, message in (
        ("transformers.modeling_utils", logging.WARNING, "\x1b[1mBertModel LOAD REPORT\x1b[0m from: x\nKey | Status"),
        ("transformers.modeling_utils", logging.WARNING, "Some weights were not used"),
        ("py.warnings", logging.WARNING, "/a/b.py:3: UserWarning: look  out\n  code()\n"),
        ("vos", logging.INFO, "\tplain"),
    ):
        handler.emit(logging.LogRecord(name, level, "", 0, message, None, None))
    assert capsys.readouterr().out.splitlines() == [
        "warning: Some weights were not used", "warning: UserWarning: look out (/a/b.py:3)", "plain",
    ]  # fmt: skip
