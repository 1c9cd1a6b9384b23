"""Every density, sampler and loss of the config tree, trained for a few steps by the real command."""

import json

import pytest
import torch
import yaml

import synthesize
import train
from tests.cli.commands import call, failing, steps, synthesis
from tests.conftest import ROOT
from vos.density import ClassConditionalGaussian, LowRankGaussian, load_density
from vos.labeling import read_jsonl

NAMES = ("no", "yes", "maybe")


def options(group, *but):
    return sorted(path.stem for path in (ROOT / "conf" / group).glob("*.yaml") if path.stem not in but)


def trained(monkeypatch, run, *overrides):
    """Train, and check that the regulariser acted in every step of round 1; its values."""
    call(train.main, monkeypatch, *overrides, f"hydra.run.dir={run}")
    values = [row["train/regularizer"] for row in steps(run, 1) if "train/regularizer" in row]
    assert len(values) == 4  # 48 texts in batches of 12
    assert all(0.0 <= value < 1e4 for value in values)
    return values


SAMPLERS = {
    "boundary": ["outliers.distance=null"],
    "tail_draws": ["outliers.draws=500", "loss.settings.outliers_per_class=4"],
    "logits": ["outliers.logits=[0.1, 0.0, -0.1]"],
    "neighbors": ["outliers.k=2", "outliers.candidates=5"],
}


@pytest.mark.slow
@pytest.mark.parametrize("option", options("outliers"))
def test_every_sampler_trains(three_classes, monkeypatch, tmp_path, option):
    trained(monkeypatch, tmp_path, *three_classes, f"outliers={option}", *SAMPLERS.get(option, []))
    final = json.loads((tmp_path / "metrics.json").read_text())["final"]
    assert 0.0 <= final["boundary/outlier_energy_auroc"] <= 1.0


BOUNDARY = ["outliers=boundary", "outliers.distance=null"]


@pytest.mark.slow
@pytest.mark.parametrize("more", [["pair=[0,2]"], ["runner_up=true"], ["nearest=true", "max_rounds=1000"]], ids=str)
def test_every_inequality_of_the_boundary_trains(three_classes, monkeypatch, tmp_path, more):
    trained(monkeypatch, tmp_path, *three_classes, *BOUNDARY, *[f"outliers.{each}" for each in more])


@pytest.mark.slow
@pytest.mark.parametrize("option", options("loss", "none"))
def test_every_loss_trains(three_classes, monkeypatch, tmp_path, option):
    values = trained(monkeypatch, tmp_path, *three_classes, "outliers=mixes", f"loss={option}")
    assert len(set(values)) == len(values)


@pytest.mark.slow
def test_no_loss_draws_nothing(three_classes, monkeypatch, tmp_path):
    call(train.main, monkeypatch, *three_classes, *BOUNDARY, "loss=none", f"hydra.run.dir={tmp_path}")
    assert "train/cross_entropy" in steps(tmp_path, 1)[0]
    assert not any("train/regularizer" in row for row in steps(tmp_path, 1))


@pytest.fixture
def spoons(tmp_path):
    """A file of auxiliary outlier texts."""
    path = tmp_path / "spoons.csv"
    path.write_text("body\n" + "".join(f"a kettle and {i} spoons\n" for i in range(40)))
    return [f"exposure.path={path}", "exposure.text=body", "exposure.batch_size=8"]


@pytest.mark.slow
@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("loss", ["extra_class", "energy_flattening", "energy_margin", "energy"])
def test_texts_of_a_file_act_in_place_of_virtual_outliers(three_classes, monkeypatch, tmp_path, spoons, loss, frozen):
    overrides = ["exposure=file", *spoons, f"loss={loss}", f"model.freeze={frozen}", "exposure.quantile=0.1"]
    values = trained(monkeypatch, tmp_path / "run", *three_classes, "outliers=mixes", *overrides)
    assert len(set(values)) == len(values)
    kept = [json.loads(line) for line in (tmp_path / "run/outlier_texts.jsonl").read_text().splitlines()]
    assert 0 < len(kept) <= 40
    assert all(row["distance"] > 0.0 for row in kept)
    assert not any("train/infeasible_share" in row for row in steps(tmp_path / "run", 1))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["loss=none"], "exposure: expected a loss that acts on them, got loss=none"),
        (["loss=energy_texts"], "one whose weight of outliers is 0"),
        (
            ["refine.rounds=0"],
            "the loss would act from epoch 1 on, and training ends at 1; set refine.rounds of at least 1, or",
        ),
        (["experiment=simulated_rounds"], "simulation: expected exposure=null"),
        (["exposure.path=nowhere.csv"], "nowhere.csv"),
        (["exposure.text=nothing"], "nothing"),
        (["exposure.batch_size=0"], "batch_size: expected at least 1, got 0"),
        (["exposure.quantile=2"], "exposure.quantile: expected a number in"),
    ],
    ids=lambda each: each[0] if isinstance(each, list) else "",
)
def test_texts_that_cannot_act_are_refused(three_classes, monkeypatch, tmp_path, capsys, spoons, overrides, message):
    own = [*three_classes, "outliers=mixes", "exposure=file", *spoons, *overrides]
    assert message in failing(train.main, monkeypatch, capsys, *own, f"hydra.run.dir={tmp_path / 'run'}")


DENSITIES = {"low_rank": ["density.model.rank=4"], "queue": ["density.capacity=20"]}


@pytest.mark.slow
@pytest.mark.parametrize("option", options("density"))
def test_every_density_trains_and_gives_texts(three_classes, monkeypatch, tmp_path, option):
    run = tmp_path / "run"
    trained(monkeypatch, run, *three_classes, *BOUNDARY, f"density={option}", *DENSITIES.get(option, []))
    density = load_density(run / "density.safetensors")
    assert isinstance(density, LowRankGaussian if option == "low_rank" else ClassConditionalGaussian)
    assert density.tied is (option != "per_class")
    call(synthesize.main, monkeypatch, *synthesis(run, f"output={tmp_path}", "candidates.selection.max_margin=null"))
    assert read_jsonl(tmp_path / "near_boundary.jsonl")


@pytest.mark.slow
@pytest.mark.parametrize("covariance", ["oas", "empirical"])
@pytest.mark.parametrize("option", ["tied", "per_class"])
def test_every_estimator_trains(three_classes, monkeypatch, tmp_path, covariance, option):
    trained(monkeypatch, tmp_path, *three_classes, *BOUNDARY, f"density={option}",
            f"density.model.covariance={covariance}")  # fmt: skip
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["density"]["model"]["covariance"] == covariance


@pytest.mark.slow
@pytest.mark.parametrize("option", ["neighbors", "mixes"])
def test_samplers_around_texts_draw_targets_from_the_texts_of_the_run(three_classes, monkeypatch, tmp_path, option):
    run = tmp_path / "run"
    trained(monkeypatch, run, *three_classes, *BOUNDARY)
    more = [f"outliers={option}", f"output={tmp_path}"]
    call(synthesize.main, monkeypatch, *[o for o in synthesis(run, *more) if o != "outliers.distance=null"])
    assert read_jsonl(tmp_path / "near_boundary.jsonl")


def test_a_rank_above_the_features_is_one_line(three_classes, monkeypatch, tmp_path, capsys):
    error = failing(train.main, monkeypatch, capsys, *three_classes, *BOUNDARY, "density=low_rank",
                    f"hydra.run.dir={tmp_path}")  # fmt: skip
    assert "density.rank: expected a number in [1, 16], got 64" in error


def test_a_run_that_finds_round_0_in_the_cache_goes_on_as_the_one_that_trained_it(three_classes, monkeypatch, tmp_path):
    own = [o for o in three_classes if not o.startswith("paths.cache")]
    for name in ("trained", "cached"):
        call(train.main, monkeypatch, *own, *BOUNDARY, f"paths.cache={tmp_path / 'cache'}",
             f"hydra.run.dir={tmp_path / name}")  # fmt: skip
    assert (tmp_path / "trained/steps/round-0").exists()
    assert not (tmp_path / "cached/steps/round-0").exists()
    a, b = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("trained", "cached"))
    assert a == b
    first, second = (load_density(tmp_path / name / "density.safetensors") for name in ("trained", "cached"))
    torch.testing.assert_close(first.means, second.means, rtol=0, atol=0)


def test_a_distance_that_no_class_can_have_ends_no_run(three_classes, monkeypatch, tmp_path, capsys):
    call(train.main, monkeypatch, *three_classes, "outliers=boundary", "outliers.margin=100", "outliers.distance=0.01",
         f"hydra.run.dir={tmp_path}")  # fmt: skip
    assert all(row["train/infeasible_share"] == 1.0 for row in steps(tmp_path, 1) if "train/cross_entropy" in row)
    for found in json.loads((tmp_path / "metrics.json").read_text())["rounds"]:
        assert found["boundary/infeasible_share"] == 1.0
        assert "boundary/outlier_energy_auroc" not in found
    warnings = [line for line in capsys.readouterr().out.splitlines() if "no virtual outliers" in line]
    assert len(warnings) == 3  # two measurements and one fit
    assert all("the smallest feasible radius is" in message for message in warnings)
