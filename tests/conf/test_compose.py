"""The config tree is the table of contents: every option composes, instantiates, and is named by its defaults list."""

from pathlib import Path

import pytest
import torch
from hydra import compose
from hydra.utils import instantiate
from omegaconf import OmegaConf

import vos.outliers
from tests.conftest import ROOT
from vos.cli.configuration import with_defaults
from vos.cli.signatures import parameters
from vos.cli.train import public_yaml
from vos.cli.wiring import build_sampler, completed
from vos.density import ClassConditionalGaussian, GaussianDensity
from vos.errors import ConfigError
from vos.losses import OutlierRegularizer

CONF = ROOT / "conf"
GROUPS = {p.name: sorted(f.stem for f in p.glob("*.yaml")) for p in sorted(CONF.iterdir()) if p.is_dir()}
REQUIRED = {
    ("data", "files"): ["data.train=a.csv"],
    ("data", "hub"): ["data.name_or_folder=x"],
    ("model", "pretrained"): ["model.name=x"],
    ("labels", "files"): ["labels.path=x"],
    ("exposure", "file"): ["exposure.path=x"],
    ("language_model", "server"): ["language_model.url=http://x/v1", "language_model.model=y"],
}


pytestmark = pytest.mark.usefixtures("hydra_at_conf")


def options(group, program):
    listed = (CONF / f"{program}.yaml").read_text()
    return [(group, option) for option in GROUPS[group]] if f"{group}:" in listed else []


TRAIN = [pair for group in GROUPS for pair in options(group, "train") if pair[0] != "hydra" or pair[1] == "default"]


@pytest.mark.parametrize(("group", "option"), TRAIN)
def test_every_option_of_train_composes_and_resolves(group, option):
    config = compose("train", [f"{group}={option}", *REQUIRED.get((group, option), [])])
    OmegaConf.to_container(config, resolve=True, throw_on_missing=True)


def test_no_folder_is_forgotten_by_the_programs():
    listed = (CONF / "train.yaml").read_text() + (CONF / "synthesize.yaml").read_text()
    assert [group for group in GROUPS if f"{group}:" not in listed] == []


@pytest.mark.parametrize("option", GROUPS["outliers"])
def test_every_sampler_is_built(option):
    def memory():
        return torch.zeros(1, 8), torch.zeros(1, dtype=torch.int64)

    config = compose("train", [f"outliers={option}"]).outliers
    sampler = build_sampler(config, (1,), memory)
    assert f"vos.outliers.{type(sampler).__name__}" == config._target_
    if config.get("_partial_"):
        assert sampler.memory is memory


def test_every_sampler_loss_and_density_of_the_package_has_an_option():
    def targets(group, *path):
        files = [OmegaConf.load(CONF / group / f"{option}.yaml") for option in GROUPS[group]]
        return {OmegaConf.select(file, ".".join([*path, "_target_"])) for file in files} - {None}

    assert targets("outliers") == {f"vos.outliers.{n}" for n in vos.outliers.__all__ if n.endswith("Sampler")}
    subclasses = OutlierRegularizer.__subclasses__()
    assert targets("loss", "module") == {f"vos.losses.{each.__name__}" for each in subclasses}
    assert targets("density", "model") == {f"vos.density.{each.__name__}" for each in GaussianDensity.__subclasses__()}


@pytest.mark.parametrize("option", GROUPS["loss"])
def test_every_loss_is_built(option):
    config = compose("train", [f"loss={option}"])
    assert instantiate(config.loss.settings).refit_every >= 1
    if option != "none":
        loss = completed(instantiate(config.loss.module), n_classes=2, n_features=8)
        assert f"vos.losses.{type(loss).__name__}" == config.loss.module._target_


@pytest.mark.parametrize("covariance", ["ledoit_wolf", "oas", "empirical"])
@pytest.mark.parametrize("option", sorted({*GROUPS["density"]} - {"low_rank"}))
def test_every_density_with_a_full_covariance_is_built(option, covariance):
    config = compose("train", [f"density={option}", f"density.model.covariance={covariance}"])
    density = completed(instantiate(config.density.model), n_classes=2, n_features=8)
    assert isinstance(density, ClassConditionalGaussian)
    assert density.tied is (option != "per_class")


def test_the_density_of_low_rank_is_built():
    config = compose("train", ["density=low_rank", "density.model.rank=3"])
    assert completed(instantiate(config.density.model), n_classes=2, n_features=8).rank == 3


@pytest.mark.parametrize(("option", "accelerator"), [("cpu", "cpu"), ("gpu", "gpu"), ("ddp", "auto"), ("fsdp", "gpu")])
def test_every_trainer_names_its_device(option, accelerator):
    lightning = compose("train", [f"trainer={option}"]).trainer.lightning
    assert lightning.accelerator == accelerator
    if option == "cpu":
        assert instantiate(lightning, precision="32-true")(max_epochs=1, logger=False).max_epochs == 1


def test_settings_objects_are_built():
    config = compose("train")
    assert instantiate(config.optimizer).lr == 1e-4
    assert instantiate(config.refine).rounds >= 1
    synthesis = instantiate(compose("synthesize", ["run=x", "n=7"]).candidates)
    assert synthesis.selection.n == 7
    assert synthesis.selection.n_random == 1


def test_seed_0_is_a_seed():
    assert compose("train").seed == 0
    assert compose("train", ["seed=0"]).seed == 0


@pytest.mark.parametrize(
    "override", ["refine.rounds=-1", "refine.epochs=0", "refine.lr_factor=0", "refine.band_share=0"]
)
def test_refine_settings_are_checked(override):
    with pytest.raises(Exception, match=r"refine: expected (rounds >= 0|band_share in)") as caught:
        instantiate(compose("train", [override]).refine)
    assert isinstance(caught.value.__cause__, ConfigError)


@pytest.mark.parametrize("override", ["candidates.targets_per_class=0", "candidates.chunk_size=0"])
def test_synthesis_settings_are_checked(override):
    with pytest.raises(Exception, match="candidates: expected targets_per_class") as caught:
        instantiate(compose("synthesize", ["run=x", override]).candidates)
    assert isinstance(caught.value.__cause__, ConfigError)


def test_one_comment_a_file_and_no_tabs():
    for path in CONF.rglob("*.yaml"):
        text = Path(path).read_text()
        assert text.startswith(("#", "defaults:")), path
        assert "\t" not in text, path


def test_where_the_cache_lies_is_no_setting_of_a_run():
    here, there = (compose("train", ["exposure=written", f"paths.cache={place}"]) for place in ("a", "b"))
    assert public_yaml(here) == public_yaml(there)
    assert "CACHE/models" in public_yaml(here)
    assert here.exposure.language_model.cache == "a/models"
    more = compose("train", ["exposure=written", "exposure.writing.n=7"])
    assert public_yaml(more) != public_yaml(here)


def targets(node, path=""):
    """Every node that fills a signature of this package, with its dotted path."""
    for key, value in node.items():
        if isinstance(value, dict):
            yield from targets(value, f"{path}{key}.")
    if str(node.get("_target_") or "").startswith("vos."):
        yield path, node


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=lambda p: p.relative_to(CONF).as_posix())
def test_no_value_repeats_the_default_of_the_signature_that_it_fills(path):
    content = OmegaConf.to_container(OmegaConf.load(path))
    for place, node in targets(content):
        known = parameters(node["_target_"])
        for key, value in node.items():
            if not key.startswith("_") and key != "defaults":
                assert key in known, f"{place}{key} is no argument of {node['_target_']}"
                assert value != known[key].default or type(value) is not type(known[key].default), f"{place}{key}"


def test_what_is_composed_is_what_the_signatures_say():
    composed = OmegaConf.to_container(compose("train"))
    found = list(targets({key: value for key, value in composed.items() if key != "hydra"}))
    assert len(found) > 8
    for place, node in found:
        known = parameters(node["_target_"])
        defaults = {key for key, each in known.items() if each.default == node.get(key, known)}
        assert defaults, place
        assert with_defaults(node) == node
