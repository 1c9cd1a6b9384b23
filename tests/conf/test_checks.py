"""Every setting of both programs, with a value of a wrong type, is refused by name before any work."""

import ast
import copy

import pytest
from omegaconf import OmegaConf

import synthesize
import train
from tests.cli.commands import failing
from vos.cli.checks import check_settings
from vos.cli.compose import composed
from vos.cli.kinds import accepts, in_words
from vos.cli.preflight import SYNTHESIZE, TRAIN, check_folder
from vos.errors import ConfigError, RunError

CHOSEN = {
    "train": [
        [],
        ["data=files", "data.train=a.csv", "model=pretrained", "model.name=x", "density=queue", "outliers=energy"],
        ["data=hub", "data.name_or_folder=x", "density=low_rank", "outliers=neighbors", "loss=feature_uncertainty"],
        ["exposure=written", "labels=label_studio", "outliers=tail", "loss=energy_mlp", "schedule=constant"],
        ["exposure=file", "exposure.path=x", "labels=files", "labels.path=x", "outliers=mixes", "loss=extra_class"],
        ["labels=argilla", "outliers=logits", "loss=flattening", "logger=csv", "trainer=ddp"],
        ["trainer=fsdp", "trainer.lightning.accelerator=cpu"],
        ["experiment=simulated_rounds"],
    ],
    "synthesize": [
        ["run=x"],
        ["run=x", "candidates=lm", "labeling=label_studio"],
        ["run=x", "candidates=pool_then_lm", "labeling=argilla", "outliers=noise"],
        ["run=x", "labeling=files", "acquisition=targets"],
        ["run=x", "candidates=lm", "language_model=server", "language_model.url=http://x/v1", "language_model.model=y"],
    ],
}
VARIED = (
    "acquisition",
    "language_model",
    "model",
    "outliers",
    "labeling",
    "exposure",
    "loss",
    "data",
    "labels",
    "density",
)
"""Groups whose options have settings of the same name."""

REFERRED = ("trainer", "refine", "paths")
"""Other settings refer to what is below these, and cannot when it is gone; on the command line they are groups."""

REFERRING = ("exposure.language_model", "candidates.generation.language_model")
"""These are the group `language_model`, and are refused by these names on the command line."""

PARTS = {"train": TRAIN, "synthesize": SYNTHESIZE}


def leaves(node, path=""):
    for key, value in node.items():
        if str(key).startswith("_"):
            continue
        yield f"{path}{key}", value
        if isinstance(value, dict):
            yield from leaves(value, f"{path}{key}.")


def wrong(value):
    """A value of a type that the setting cannot have: a word for a number, a list of mappings for everything else."""
    return "abc" if isinstance(value, bool | int | float) else [{"a": 1}]


@pytest.mark.parametrize("program", CHOSEN)
def test_every_setting_of_another_type_is_refused_by_its_name(program):
    seen = set()
    for overrides in CHOSEN[program]:
        config = composed(program, overrides)
        check_settings(config, PARTS[program])
        for name, value in leaves(OmegaConf.to_container(config, resolve=True)):
            if name in seen and not name.startswith(VARIED):
                continue
            if name in REFERRED or name.startswith(("simulation.mix", *REFERRING)):
                continue
            seen.add(name)
            changed = copy.deepcopy(config)
            OmegaConf.set_struct(changed, False)
            OmegaConf.update(changed, name, wrong(value), merge=False)
            with pytest.raises(ConfigError) as caught:
                check_settings(changed, PARTS[program])
            message = str(caught.value)
            told = message.partition(":")[0]
            # A mapping is refused as a whole, and Lightning speaks for itself.
            assert told == name or (name.startswith(f"{told}.") and "." in told), f"{name}: {message}"
            assert "\n" not in message
    assert len(seen) > (150 if program == "train" else 90)


RANGES = {
    "train": """
        seed=-1 seed=4294967296 loader.batch_size=0 loader.num_workers=-1 trainer.max_epochs=-3 optimizer.lr=0
        optimizer.lr=-1 optimizer.head_lr=-1 optimizer.weight_decay=-1 schedule.warmup_share=1.5 refine.rounds=-1
        refine.epochs=0 refine.lr_factor=0 refine.band_share=0 refine.band_share=1.5 refine.n_outliers=0
        loss.label_smoothing=1.5 loss.settings.weight=-1 loss.settings.start_epoch=-1 loss.settings.outliers_per_class=0
        loss.settings.refit_every=0 loss.module.id_margin=-1 mix.new_weight=0
        mix.min_quality=2 stop.patience=0 stop.min_gain=-1 stop.target_fnr=2 model.dropout=2 model.max_length=0
        outliers.distance=0 outliers.distance=1 outliers.distance=2 outliers.band=-1 outliers.max_rounds=0
        density.capacity=0 paths.cache_gib=-1
    """,
    "synthesize": """
        seed=-1 n=0 n=-5 candidates.targets_per_class=0 candidates.n_directions=0 acquisition.power=-1
        candidates.chunk_size=0 candidates.potential.beta=-1 candidates.potential.tau=0
        candidates.selection.random_share=2 candidates.selection.near_duplicate=0 candidates.selection.max_cosine=0
        candidates.selection.max_distance=-1 candidates.selection.max_margin=-1 candidates.selection.max_per_target=0
        candidates.selection.max_side_share=2 acquisition.nearest=2 acquisition.width=0
        acquisition.supply=0 acquisition.demand=0 acquisition.n_directions=0
        labeling.plan.gold_share=0.6 labeling.plan.overlap_share=2 labeling.plan.overlap_people=1
        labeling.settings.repeat_share=0.9 labeling.settings.break_every=0 labeling.settings.max_items=0
        verification.tolerance=2 verification.sample=-1 outliers.distance=2
    """,
}


@pytest.mark.parametrize(
    ("program", "override"), [(program, each) for program, given in RANGES.items() for each in given.split()]
)
def test_a_number_out_of_its_range_is_refused(program, override):
    config = composed(program, [*(["run=x"] if program == "synthesize" else []), override])
    with pytest.raises(ConfigError, match="expected"):
        check_settings(config, PARTS[program])


def test_a_number_of_a_search_for_targets_out_of_its_range_is_refused():
    for override in ("per_target=0", "approximate.lists=0", "approximate.seed=-1", "index=ivf"):
        config = composed("synthesize", ["run=x", "acquisition=targets", f"acquisition.{override}"])
        with pytest.raises(ConfigError, match="expected"):
            check_settings(config, PARTS["synthesize"])


COMMANDS = [
    ("seed=-5", "seed: expected a number in [0, 4294967295], got -5"),
    ("trainer.max_epochs=abc", "trainer.max_epochs: expected a whole number, got 'abc'"),
    ("trainer.max_epochs=null", "trainer.max_epochs: expected a whole number, got null"),
    ("trainer.max_epochs=2.5", "trainer.max_epochs: expected a whole number, got 2.5"),
    ("sead=1", "sead: no such setting, did you mean seed?"),
    ("nosuch=1", "nosuch: no such setting"),
    ("+nosuch=1", "nosuch: no such setting"),
    ("+outliers.distanse=1", "outliers.distanse: no such setting, did you mean distance?"),
    ("data=file", "data=file: no such option, did you mean files?"),
    ("data=nope", "data=nope: no such option; expected one of embedded, files, hub"),
    ("model.freeze=maybe", "model.freeze: expected true or false, got 'maybe'"),
    ("optimizer.lr=-1", "optimizer: expected lr > 0"),
    ("optimizer.lr=nan", "optimizer.lr: expected a number, got nan"),
    ("logger.wandb.mode=offlin", "got 'offlin', did you mean offline?"),
    ("outliers._target_=vos.outliers.Nope", "vos.outliers.Nope: no such definition"),
    ("outliers._target_=nowhere.Sampler", "nowhere"),
    ("trainer.lightning.devices=abc", "trainer.lightning: `devices`"),
    ("paths.cache=/proc/version/cache", "paths.cache=/proc/version/cache: expected a folder that can be written to"),
    ("resume=missing", "missing: no overrides.yaml here"),
]


@pytest.mark.parametrize(("override", "message"), COMMANDS, ids=[override for override, _ in COMMANDS])
def test_a_training_that_cannot_begin_says_so_in_one_line_and_leaves_nothing(
    override, message, monkeypatch, capsys, tmp_path
):
    monkeypatch.chdir(tmp_path)
    error = failing(train.main, monkeypatch, capsys, override)
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("n=0", "n: expected at least 1, got 0"),
        ("n=many", "n: expected a whole number, got 'many'"),
        ("device=gpu", "device: expected cpu, or cuda where there is a GPU, got 'gpu'"),
        ("labeling=pages", "labeling=pages: no such option, did you mean page?"),
        ("labeling.plan.gold_share=[1]", "labeling.plan.gold_share: expected a number, got [1]"),
    ],
)
def test_a_synthesis_that_cannot_begin_likewise(override, message, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    error = failing(synthesize.main, monkeypatch, capsys, "run=x", override)
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_number_stands_for_the_text_that_it_is():
    config = composed("train", ["data=files", "data.train=a.csv", "data.text=0", "logger.wandb.name=7", "run=null"])
    check_settings(config, TRAIN)
    assert (config.data.text, config.logger.wandb.name, config.run) == ("0", "7", None)


def test_a_folder_that_is_not_there_yet_is_not_made_by_the_check(tmp_path):
    check_folder("output", tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"output=.*file/b: expected a folder that can be written to, but .*file is no"):
        check_folder("output", tmp_path / "file" / "b")


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("int", [0, -3], [True, 1.0, "1", None, [1]]),
        ("float | None", [1, 0.5, None], [float("nan"), float("inf"), False, "x"]),
        ("Optional[bool]", [True, None], [0, 1, "true"]),
        ("Literal['a', 2]", ["a", 2], ["b", "2"]),
        ("Sequence[str] | str", ["a", ["a"], []], [1, [1], {"a": "a"}]),
        ("tuple[int, ...]", [[1, 2]], [["a"], 1]),
        ("Mapping[str, float]", [{"a": 1}, {}], [{"a": "b"}, [1]]),
        ("Union[str, vos.density.Thing]", ["a", {"_target_": "x"}], [1, ["a"]]),
    ],
)
def test_kinds_accept_what_they_say(kind, good, bad):
    node = ast.parse(kind, mode="eval").body
    assert [value for value in good if not accepts(node, value)] == []
    assert [value for value in bad if accepts(node, value)] == []
    assert in_words(node)
