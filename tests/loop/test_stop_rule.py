"""The table of rounds, the stop rule, and the simulated loop with an oracle."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest
import torch

from tests.settings import selection
from vos.data import ListPool, TextData
from vos.density import ClassConditionalGaussian
from vos.errors import ConfigError
from vos.labeling import Ledger, consensus
from vos.loop.next_round import MixSettings
from vos.loop.stop_rule import StopRule, add_round, read_rounds
from vos.outliers import BoundarySampler
from vos.simulation.error_rates import compare, error_rates
from vos.simulation.fits import FrozenEncoderFit
from vos.simulation.settings import SimulationSettings
from vos.simulation.simulate import Simulation
from vos.storage.text_ids import text_uid
from vos.synthesis.job import SynthesisSettings
from vos.types import Example, FeatureBatch, LinearHead

RULE = StopRule("boundary/val/band_error")


def rows(*errors, **last):
    made = [{"run": f"r{i}", "round": i, "labels": 100 * i, "boundary/val/band_error": e} for i, e in enumerate(errors)]
    made[-1] |= last
    return made


def test_the_table_grows_by_a_row_a_round_and_repeats_replace(tmp_path):
    for row in rows(0.5, 0.4):
        add_round(tmp_path, row)
    found = add_round(tmp_path, {"run": "r1", "round": 1, "labels": 100, "boundary/val/band_error": 0.3})
    assert [row["boundary/val/band_error"] for row in found] == [0.5, 0.3]
    assert read_rounds(tmp_path) == found
    with (tmp_path / "labelling_rounds.csv").open(encoding="utf-8", newline="") as file:
        assert [row["labels"] for row in csv.DictReader(file)] == ["0", "100"]
    assert (tmp_path / "labelling_rounds.png").read_bytes().startswith(b"\x89PNG")
    assert read_rounds(tmp_path / "none") == []


def test_a_round_recorded_again_keeps_its_place_and_the_rule_judges_the_newest(tmp_path):
    table = [{**row, "random/fnr_high": high} for row, high in zip(rows(0.5, 0.4, 0.3), (0.9, 0.4, 0.1), strict=True)]
    for row in (*table, table[1], table[0] | {"boundary/val/band_error": float("nan")}):
        found = add_round(tmp_path, row)
    assert [row["round"] for row in found] == [row["round"] for row in read_rounds(tmp_path)] == [0, 1, 2]
    assert "at most 0.100" in replace(RULE, target_fnr=0.2).reason(found)
    lines = (tmp_path / "labelling_rounds.jsonl").read_text("utf-8").splitlines()
    (tmp_path / "labelling_rounds.jsonl").write_text("\n".join(lines[::-1]) + "\n", "utf-8")  # as it was written before
    assert [row["round"] for row in add_round(tmp_path, table[1])] == [0, 1, 2]


@pytest.mark.parametrize(
    ("errors", "stops"),
    [((0.5,), False), ((0.5, 0.4, 0.3), False), ((0.5, 0.4, 0.4, 0.399), True), ((0.5, 0.4, 0.41, 0.3), False)],
)
def test_it_stops_after_two_rounds_without_progress(errors, stops):
    assert (RULE.reason(rows(*errors)) is not None) is stops


def test_it_stops_when_the_rate_is_proven_low():
    rule = replace(RULE, target_fnr=0.05)
    assert rule.reason([]) is None
    assert rule.reason(rows(0.5, 0.4, **{"random/fnr_high": 0.2})) is None
    assert "at most 0.040" in rule.reason(rows(0.5, 0.4, **{"random/fnr_high": 0.04}))
    with pytest.raises(ConfigError):
        replace(RULE, patience=0)


def test_a_round_without_the_number_is_passed_over_and_said(caplog):
    assert StopRule(monitor="nope").reason(rows(0.5)) is None
    assert "stop.monitor=nope: 1 of 1 rounds have no such number" in caplog.text
    stale = [*rows(0.5), {"round": 1, "labels": 5}, *rows(0.5, 0.5)]
    assert "has not improved by 2% for 2 rounds" in RULE.reason(stale)


class Plane:
    """Texts are points of a plane, written as two numbers; a frozen encoder that reads them."""

    head = LinearHead(torch.zeros(2, 4), torch.zeros(2))
    model_hash = "plane"

    def featurize(self, texts):
        points = torch.tensor([[float(x) for x in text.split()[:2]] for text in texts])
        return FeatureBatch(torch.cat([points, points.sin()], 1), torch.zeros(len(texts), 2))

    def stream(self, examples, chunk_size):
        examples = list(examples)
        for i in range(0, len(examples), chunk_size):
            part = examples[i : i + chunk_size]
            yield part, self.featurize([example.text for example in part])


def points(n, prefix, seed):
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(n, 2, generator=generator)
    # The words are all different, or everything would be a near-duplicate.
    return [
        Example(
            f"{prefix}{i}", f"{x:.4f} {y:.4f} {prefix} w{i} v{i} u{i}", int(x + y > 0), level=2 * int(abs(x + y) < 0.5)
        )
        for i, (x, y) in enumerate(drawn.tolist())
    ]


@pytest.fixture
def simulate(tmp_path):
    def run(seeds=(0,), strategies=("boundary", "uncertainty", "random"), pool_of="pool", harmful_share=None):
        pool = points(300, "p", 1)
        hidden = [Example(e.id, e.text) for e in pool]
        data = TextData(
            points(40, "t", 2),
            points(60, "v", 3),
            points(400, "x", 4),
            ListPool(hidden),
            ("no", "yes"),
            [],
            harmful=(1,),
        )
        narrow = selection(max_distance=50.0, max_cosine=None)
        synthesis = SynthesisSettings(n_directions=2, chunk_size=256, selection=narrow)
        settings = SimulationSettings(
            synthesis, 2, 15, seeds, strategies, pool_of, harmful_share, 10, 0.1, 1.0, False, MixSettings()
        )
        return Simulation(
            data=data,
            oracle={text_uid(e.text): ("no", "yes")[e.label] for e in pool},
            fit=FrozenEncoderFit(Plane(), 2, strength=1.0, balanced=False),
            density=lambda c, d: ClassConditionalGaussian(c, d, covariance="ledoit_wolf", tied=True),
            sampler=BoundarySampler(margin=0.0, band=1.0, distance=0.99),
            folder=tmp_path / "simulation",
            settings=settings,
        ).run()

    return run


def test_the_loop_runs_and_learns_where_it_asks(simulate):
    table = simulate(seeds=(0, 1, 2))
    assert len(table) == 3 * 3 * 3
    for strategy in ("boundary", "uncertainty", "random"):
        own = [row for row in table if row["strategy"] == strategy and row["seed"] == 0]
        assert [row["labels"] for row in own] == [0, 15, 30]  # equal budgets
    starts = {(row["seed"], row["error"]) for row in table if row["round"] == 0}
    assert len(starts) == 3  # the same start for every strategy of a seed
    final = [row for row in table if row["round"] == 2]
    mean = {s: sum(r["error"] for r in final if r["strategy"] == s) / 3 for s in ("boundary", "uncertainty", "random")}
    begin = sum(error for _, error in starts) / 3
    # Linear truth, 30 labels more than 10: every strategy must have learned.
    assert max(mean.values()) < begin


def test_a_simulation_that_was_cut_off_goes_on_with_the_seed_it_had_begun(simulate, tmp_path, monkeypatch):
    whole = simulate(seeds=(0, 1), strategies=("random", "boundary"))
    folder = tmp_path / "simulation"
    folder.rename(tmp_path / "whole")
    fits = iter(range(7))  # the first seed's five fits, and two of the second

    class PowerCut(Exception):
        pass

    real = FrozenEncoderFit.__call__

    def cut(self, *given):
        if next(fits, None) is None:
            raise PowerCut
        return real(self, *given)

    monkeypatch.setattr(FrozenEncoderFit, "__call__", cut)
    with pytest.raises(PowerCut):
        simulate(seeds=(0, 1), strategies=("random", "boundary"))
    monkeypatch.undo()
    assert sorted(path.name for path in folder.glob("*.json")) == ["boundary-0.json", "random-0.json"]
    assert (folder / "random-1" / "ledger.sqlite").exists()
    assert simulate(seeds=(0, 1), strategies=("random", "boundary")) == whole


def test_training_texts_can_play_the_pool_with_their_labels_hidden(simulate, tmp_path):
    table = simulate(strategies=("random", "uncertainty"), pool_of="train")
    # 40 training texts: 10 known, 30 can be asked, 15 a round.
    assert [row["labels"] for row in table] == [0, 15, 30] * 2
    # Both have asked for everything in the end: the same texts, the same classifier.
    assert table[2]["error"] == table[5]["error"]
    with Ledger(tmp_path / "simulation" / "random-0" / "ledger.sqlite") as ledger:
        assert all(record.id.startswith("t") for record in ledger.records().values())


def test_harm_can_be_made_as_rare_as_it_is_in_use(simulate, tmp_path):
    simulate(seeds=(0, 1), strategies=("random",), harmful_share=0.1)
    harmful = set()
    for seed in (0, 1):
        with Ledger(tmp_path / "simulation" / f"random-{seed}" / "ledger.sqlite") as ledger:
            answers = list(consensus(ledger).labels.values())
            assert len(answers) == 30
            # 30 of about 166 texts, 16 of them harmful: 10 or more would come once in 10,000 seeds.
            assert answers.count("yes") < 10
            harmful.add(tuple(uid for uid, answer in consensus(ledger).labels.items() if answer == "yes"))
    assert len(harmful) == 2  # every seed leaves others out


def test_a_rate_over_no_texts_is_left_out():
    plain = [Example(e.id, e.text, e.label) for e in points(10, "x", 4)]
    assert set(error_rates(Plane(), plain, (1,), 0.5)) == {"error", "error_band"}


def test_balanced_weights_find_more_of_a_rare_class():
    many, few = [e for e in points(300, "a", 1) if e.label == 0], [e for e in points(300, "b", 2) if e.label == 1][:8]
    found = {}
    for balanced in (False, True):
        featurizer = FrozenEncoderFit(Plane(), 2, strength=1.0, balanced=balanced)([*many, *few], 0, None)
        logits = featurizer.featurize([e.text for e in points(400, "c", 3) if e.label == 1]).logits
        found[balanced] = int((logits.argmax(-1) == 1).sum())
    assert found[True] > found[False]


def test_the_same_seed_gives_the_same_rows(simulate, tmp_path):
    first = simulate(seeds=(0,), strategies=("random", "boundary"))
    (tmp_path / "simulation").rename(tmp_path / "before")
    assert simulate(seeds=(0,), strategies=("random", "boundary")) == first


def test_the_comparison_is_paired_and_has_an_interval():
    table = [
        {"strategy": s, "seed": seed, "round": 3, "error": e}
        for s, errors in (("boundary", (0.1, 0.2, 0.3)), ("random", (0.2, 0.3, 0.4)))
        for seed, e in enumerate(errors)
    ]
    found = compare(table, "error", 3)
    assert found["reduction"] == pytest.approx(1 / 3)
    assert (found["low"], found["high"]) == pytest.approx((1 / 3, 1 / 3))  # the same gain for every seed
    table[0]["error"] = 0.0
    wider = compare(table, "error", 3)
    # By hand: gains (0.2, 0.1, 0.1) / 0.3, t(0.975, 2) = 4.302653.
    assert wider["reduction"] == pytest.approx(0.444444, abs=1e-5)
    assert wider["high"] - wider["reduction"] == pytest.approx(4.302653 * 0.192450 / 3**0.5, abs=1e-4)


def test_unknown_strategies_are_refused():
    synthesis = SynthesisSettings()
    with pytest.raises(ConfigError, match="expected strategies of"):
        SimulationSettings(synthesis, 1, 1, (0,), ("oracle",), "pool", None, None, 0.1, 1.0, False, MixSettings())
    with pytest.raises(ConfigError, match=r"expected simulation\.start"):
        SimulationSettings(synthesis, 1, 1, (0,), ("random",), "train", None, None, 0.1, 1.0, False, MixSettings())


def test_a_table_of_an_earlier_version_is_gone_on_with(tmp_path):
    (tmp_path / "rounds.jsonl").write_text('{"run": "r0", "round": 0, "labels": 0}\n')
    assert [row["run"] for row in add_round(tmp_path, {"run": "r1", "round": 1, "labels": 9})] == ["r0", "r1"]
    assert [row["run"] for row in read_rounds(tmp_path)] == ["r0", "r1"]


def test_a_number_that_was_not_there_to_measure_is_null_in_the_table_and_judges_nothing(tmp_path, caplog):
    for row in rows(0.5, float("nan"), 0.5, 0.5):
        found = add_round(tmp_path, row)
    kept = read_rounds(tmp_path)
    assert [row["boundary/val/band_error"] for row in kept] == [0.5, None, 0.5, 0.5]
    for table in (kept, found):
        assert "has not improved by 2% for 2 rounds" in RULE.reason(table)
    assert "1 of 4 rounds have no such number" in caplog.text
    assert replace(RULE, target_fnr=0.5).reason([{"random/fnr_high": None}]) is None
    with (tmp_path / "labelling_rounds.csv").open(encoding="utf-8", newline="") as file:
        assert [row["boundary/val/band_error"] for row in csv.DictReader(file)] == ["0.5", "", "0.5", "0.5"]


def test_the_table_leaves_that_of_a_run_in_the_same_folder_alone(tmp_path):
    (tmp_path / "rounds.csv").write_text("round,boundary/band\n0,1.5\n")
    add_round(tmp_path, {"run": "r1", "round": 1, "labels": 9})
    assert (tmp_path / "rounds.csv").read_text() == "round,boundary/band\n0,1.5\n"
