import csv
import io
import json

import pytest

from vos.storage.run_directory import RunDirectory
from vos.training import comparison
from vos.training.comparison import compare_runs, over_seeds


def make_run(path, accuracy, finished=True):
    run = RunDirectory(path)
    run.start("a: 1\n", {})
    run.metrics_path.write_text(json.dumps({"final": {"boundary/test/accuracy": accuracy}}))
    if finished:
        run.finish(1.0, {})
    return path


def read(path):
    return list(csv.DictReader(io.StringIO(path.read_text())))


def test_one_row_a_run_and_a_picture_over_the_numeric_setting(tmp_path):
    settings = {}
    for i, (distance, seed) in enumerate([("0.9", "0"), ("0.9", "1"), ("0.99", "0"), ("0.99", "1")]):
        path = make_run(tmp_path / str(i), 0.5 + i / 10)
        settings[path] = {"outliers.distance": distance, "seed": seed, "loss": "energy"}
    rows = compare_runs(tmp_path, settings)
    assert [row["run"] for row in rows] == ["0", "1", "2", "3"]
    table = read(tmp_path / "comparison.csv")
    assert list(table[0]) == ["run", "outliers.distance", "seed", "boundary/test/accuracy"]
    assert [row["boundary/test/accuracy"] for row in table] == ["0.5", "0.6", "0.7", "0.8"]
    assert (tmp_path / "comparison.png").stat().st_size > 1000


def test_radii_that_are_extrapolated_are_marked_in_the_table_and_the_picture(tmp_path, monkeypatch):
    settings, marked = {}, []
    for distance, share in (("0.5", 0.0), ("0.9", 0.3), ("0.999", 1.0)):
        path = make_run(tmp_path / distance, 0.5)
        final = {"boundary/test/accuracy": 0.5, "boundary/outlier_extrapolated_share": share}
        RunDirectory(path).metrics_path.write_text(json.dumps({"final": final}))
        settings[path] = {"outliers.distance": distance}

    def drawn(*args, real=comparison.metrics_against):
        marked.append(args[-1])
        real(*args)

    monkeypatch.setattr(comparison, "metrics_against", drawn)
    compare_runs(tmp_path, settings)
    assert [row["radii"] for row in read(tmp_path / "comparison.csv")] == ["measured", "measured", "extrapolated"]
    assert marked == [{0.999}]


def test_the_round_that_each_run_ended_with_stands_beside_its_figures(tmp_path):
    settings = {}
    for kept in (0, 2):
        path = make_run(tmp_path / str(kept), 0.5)
        content = {"final": {"boundary/test/accuracy": 0.5}, "kept_round": kept}
        RunDirectory(path).metrics_path.write_text(json.dumps(content))
        settings[path] = {}
    compare_runs(tmp_path, settings)
    table = read(tmp_path / "comparison.csv")
    assert list(table[0]) == ["run", "kept_round", "boundary/test/accuracy"]
    assert [row["kept_round"] for row in table] == ["0", "2"]


def test_an_unfinished_run_is_left_out_and_named(tmp_path, caplog):
    settings = {make_run(tmp_path / "0", 0.5): {}, make_run(tmp_path / "1", 0.6, finished=False): {}}
    assert len(compare_runs(tmp_path, settings)) == 1
    assert f"{tmp_path / '1'} is not finished" in caplog.text


def test_words_are_tabled_but_not_plotted(tmp_path):
    settings = {make_run(tmp_path / "0", 0.5): {"loss": "energy"}, make_run(tmp_path / "1", 0.6): {"loss": "none"}}
    compare_runs(tmp_path, settings)
    assert [row["loss"] for row in read(tmp_path / "comparison.csv")] == ["energy", "none"]
    assert not (tmp_path / "comparison.png").exists()


def test_nothing_finished_gives_no_table(tmp_path):
    assert compare_runs(tmp_path, {make_run(tmp_path / "0", 0.5, finished=False): {}}) == []
    assert not (tmp_path / "comparison.csv").exists()


def test_seeds_are_drawn_together_with_intervals(tmp_path):
    settings, accuracies = {}, {"0.9": (0.5, 0.6, 0.7), "0.99": (0.8, 0.8, 0.8), "0.5": (0.4,)}
    for distance, values in accuracies.items():
        for seed, accuracy in enumerate(values):
            path = make_run(tmp_path / f"{distance}-{seed}", accuracy)
            settings[path] = {"outliers.distance": distance, "seed": str(seed)}
    first, second, third = over_seeds(compare_runs(tmp_path, settings))
    # t of 2 degrees of freedom at .975 is 4.3027; the deviation is .1.
    assert first["boundary/test/accuracy"] == pytest.approx(0.6)
    assert first["boundary/test/accuracy_half"] == pytest.approx(4.3027 * 0.1 / 3**0.5, rel=1e-4)
    assert (second["seeds"], second["boundary/test/accuracy_half"]) == (3.0, pytest.approx(0.0, abs=1e-9))
    assert "boundary/test/accuracy_half" not in third
    assert [row["seeds"] for row in read(tmp_path / "comparison_over_seeds.csv")] == ["3.0", "3.0", "1.0"]


def test_without_several_seeds_there_is_nothing_to_draw_together(tmp_path):
    one = {
        make_run(tmp_path / "a", 0.5): {"seed": "0", "x": "1"},
        make_run(tmp_path / "b", 0.6): {"seed": "1", "x": "2"},
    }
    assert over_seeds(compare_runs(tmp_path, one)) == []
    assert over_seeds([]) == []
    assert not (tmp_path / "comparison_over_seeds.csv").exists()
