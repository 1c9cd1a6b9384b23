import csv
import io
import json
import re
from pathlib import Path

import pytest
import torch

from tests.training.wandb_file import history, the_file
from vos.errors import ConfigError
from vos.harmful import Classes
from vos.training.console_reporter import ConsoleReporter
from vos.training.plots import BoundaryPoints, boundary_map
from vos.training.reporters import (
    CsvReporter,
    NearBoundaryText,
    RoundRecord,
    WandbReporter,
    log_comparison,
)


@pytest.fixture
def record(tmp_path):
    points = BoundaryPoints(torch.tensor([-1.0, 2.0]), torch.tensor([3.0, 4.0]), torch.tensor([0, 1]))
    picture = tmp_path / "map.png"
    boundary_map(picture, points, None, 0.5, Classes(("harmless", "harmful"), (1,)), "title")
    metrics = {"boundary/val/accuracy": 0.875, "boundary/outlier_energy_auroc": 0.5}
    nearest = (NearBoundaryText("a", "=some text", -0.25, "harmless"),)
    return RoundRecord(3, metrics, torch.tensor([-1.0, 2.0, 0.5]), picture, nearest)


def test_console_prints_a_line_a_round_and_a_table_at_the_end(record, capsys):
    reporter = ConsoleReporter()
    reporter.close()
    assert capsys.readouterr().out == ""
    reporter.on_round(record)
    assert capsys.readouterr().out == "round 3: accuracy 0.875 on validation texts\n"
    reporter.on_round(RoundRecord(4, {"boundary/shift": 0.125}, record.margins, record.picture, ()))
    reporter.on_kept(record, "because")
    reporter.close()
    lines = [line.split() for line in capsys.readouterr().out.split("The boundary, by round")[1].splitlines()]
    heads = [word for line in lines[: lines.index(["accuracy", "0.875"])] for word in line]
    assert sorted(each for each in heads if each[0].isalnum()) == sorted(
        ["round", "3", "round", "4", "kept", "validation", "texts"]
    )
    assert ["shift", "of", "the", "boundary", "0.125"] in lines
    assert reporter.lightning_logger(0) is None


def test_a_table_shows_as_many_rounds_as_the_screen_has_room_for(record, capsys):
    reporter = ConsoleReporter()
    for number in range(20):
        reporter.on_round(RoundRecord(number, record.metrics, record.margins, record.picture, ()))
    reporter.on_kept(RoundRecord(7, record.metrics, record.margins, record.picture, ()), "because")
    capsys.readouterr()
    reporter.close()
    told = capsys.readouterr().out
    assert max(map(len, told.splitlines())) <= 80
    heads = told[: told.index("accuracy")]
    assert [bool(re.search(rf"round {number}\b", heads)) for number in (0, 7, 19, 2)] == [True, True, True, False]
    assert re.search(r"^\d+ more rounds are in metrics\.json$", told, re.MULTILINE)


def test_a_table_counts_the_rounds_that_it_leaves_out(record, capsys):
    told = {}
    for n in range(2, 20):
        reporter = ConsoleReporter()
        for number in range(n):
            reporter.on_round(RoundRecord(number, record.metrics, record.margins, record.picture, ()))
        capsys.readouterr()
        reporter.close()
        told[n] = capsys.readouterr().out.splitlines()[-1]
    left_out = [line for line in told.values() if line.endswith("in metrics.json")]
    assert left_out[:2] == ["1 more round is in metrics.json", "2 more rounds are in metrics.json"]


def test_the_runs_of_a_sweep_print_no_table(record, capsys):
    reporter = ConsoleReporter(with_table=False)
    reporter.on_round(record)
    reporter.close()
    assert "by round" not in capsys.readouterr().out


def test_csv_holds_one_row_a_round(record, tmp_path):
    reporter = CsvReporter(tmp_path)
    reporter.on_round(record)
    reporter.on_round(record)  # reported again by a resumed run
    reporter.close()
    rows = list(csv.DictReader(io.StringIO((tmp_path / "rounds.csv").read_text())))
    assert rows == [{"round": "3", "boundary/val/accuracy": "0.875", "boundary/outlier_energy_auroc": "0.5"}]
    assert Path(reporter.lightning_logger(2).log_dir) == tmp_path / "steps/round-2"


@pytest.mark.parametrize("texts", [True, False])
def test_wandb_offline_run_holds_scalars_histogram_picture_and_table(record, tmp_path, texts):
    reporter = WandbReporter(tmp_path, project="vos-test", config={"seed": 0}, texts=texts)
    reporter.lightning_logger(0).log_metrics({"train/cross_entropy": 0.625}, step=1)
    reporter.on_round(record)
    reporter.on_picture("pictures/reliability", record.picture)
    reporter.close()
    rows = history(the_file(tmp_path))
    merged = {key: value for row in rows for key, value in row.items()}
    assert merged["train/cross_entropy"] == 0.625
    assert merged["round"] == 3
    assert merged["boundary/val/accuracy"] == 0.875
    histogram = merged["boundary/margin_histogram"]
    assert histogram["_type"] == "histogram"
    assert sum(histogram["values"]) == 3
    image, table = merged["boundary/map"], merged["boundary/near_texts"]
    files = the_file(tmp_path).parent / "files"
    assert image["_type"] == "image-file"
    for each in (image, merged["pictures/reliability"]):
        assert (files / each["path"]).read_bytes() == record.picture.read_bytes()
    content = json.loads((files / table["path"]).read_text())
    assert content["columns"] == ["id", "text", "margin", "label"]
    assert content["data"] == [["a", "=some text" if texts else "", -0.25, "harmless"]]


def test_unknown_wandb_mode_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"logger\.mode: expected 'offline', 'online' or 'disabled', got 'on'"):
        WandbReporter(tmp_path, project="p", config={}, mode="on")


def test_the_tables_of_a_sweep_are_a_wandb_run_of_their_own(record, tmp_path):
    rows = [{"run": "0", "seed": "0", "a": 0.5}, {"run": "1", "seed": "1"}]
    log_comparison(tmp_path, {"comparison": rows}, "vos-test", "offline", picture=record.picture)
    merged = {key: value for row in history(the_file(tmp_path)) for key, value in row.items()}
    table = merged["comparison"]
    assert (table["_type"], table["ncols"], table["nrows"]) == ("table-file", 3, 2)
    (path,) = tmp_path.glob(f"wandb/*run-*/files/{table['path']}")
    assert json.loads(path.read_text("utf-8"))["data"] == [["0", "0", 0.5], ["1", "1", None]]
    picture = merged["pictures/comparison"]
    (path,) = tmp_path.glob(f"wandb/*run-*/files/{picture['path']}")
    assert path.read_bytes() == record.picture.read_bytes()
