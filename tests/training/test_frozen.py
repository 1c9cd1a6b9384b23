"""States and checkpoints of a run with a frozen encoder do not repeat its weights."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_model

from tests.training.killed import killed_fit
from tests.training.modules import batches, build
from vos.errors import RunError
from vos.storage.run_directory import RunDirectory
from vos.training.checkpoint import load_state, save_state
from vos.training.featurizers import Featurizers
from vos.training.frozen import FROZEN, frozen_encoder, load_rest
from vos.training.loop import fit_round


def names_in(path):
    with safe_open(path, framework="pt") as file:
        return set(file.keys()), (file.metadata() or {}).get(FROZEN)


def move_head(module):
    torch.nn.init.constant_(module.classifier.head.weight, 0.5)
    return module


def test_a_state_holds_the_head_and_the_fingerprint_of_the_encoder(tiny_encoder, tmp_path):
    saved, read = move_head(build(tiny_encoder, freeze=True)), build(tiny_encoder, freeze=True)
    save_state(saved, tmp_path / "a.safetensors")
    names, fingerprint = names_in(tmp_path / "a.safetensors")
    frozen = {name for name in saved.state_dict() if name.startswith("classifier.encoder.")}
    assert frozen
    assert not names & frozen
    assert names == saved.state_dict().keys() - frozen
    assert fingerprint == saved.classifier.encoder_fingerprint()
    load_state(read, tmp_path / "a.safetensors")
    for name, value in saved.state_dict().items():
        assert torch.equal(read.state_dict()[name], value), name


def test_an_encoder_that_is_trained_is_part_of_the_state(tiny_encoder, tmp_path):
    module = build(tiny_encoder)
    save_state(module, tmp_path / "a.safetensors")
    assert names_in(tmp_path / "a.safetensors") == (module.state_dict().keys(), None)


def test_a_state_with_all_weights_is_read_into_a_module_whose_encoder_is_frozen(tiny_encoder, tmp_path):
    saved, read = move_head(build(tiny_encoder)), build(tiny_encoder, freeze=True)
    save_model(saved, str(tmp_path / "a.safetensors"))
    load_state(read, tmp_path / "a.safetensors")
    assert torch.equal(read.classifier.head.weight, saved.classifier.head.weight)


def test_another_encoder_is_refused(tiny_encoder, tmp_path):
    path = tmp_path / "a.safetensors"
    save_state(build(tiny_encoder, freeze=True), path)
    other = build(tiny_encoder, freeze=True)
    with torch.no_grad():
        next(other.classifier.encoder.parameters()).add_(1e-3)
    with pytest.raises(RunError, match=r"a\.safetensors: expected the frozen encoder \w+, found \w+: the model has"):
        load_state(other, path)
    with pytest.raises(RunError, match="found one that is not frozen"):
        load_state(build(tiny_encoder), path)


def test_a_state_of_another_head_is_refused(tiny_encoder, tmp_path):
    path = tmp_path / "a.safetensors"
    save_state(build(tiny_encoder, freeze=True, memory="queue"), path)
    with pytest.raises(RunError, match=r"a\.safetensors: expected a file as this package wrote it"):
        load_state(build(tiny_encoder, freeze=True), path)


def test_names_that_are_missing_or_unknown_are_refused():
    module = torch.nn.Linear(2, 2)
    with pytest.raises(RuntimeError, match=r"missing: \['bias'\]"):
        load_rest(module, {"weight": torch.zeros(2, 2)}, ())
    with pytest.raises(RuntimeError, match=r"unknown: \['x'\]"):
        load_rest(module, {"x": torch.zeros(2)}, ("weight", "bias"))
    load_rest(module, {"weight": torch.zeros(2, 2)}, ("bias",))
    assert not module.weight.any()


def frozen_job(job, tiny_encoder, folder):
    module = build(tiny_encoder, freeze=True, loss="flattening", start_epoch=1)
    made = replace(job, module=module, datamodule=batches(module), run=RunDirectory(folder))
    return replace(made, featurizers=Featurizers(module.classifier, lambda: module.classifier))


def test_a_fit_resumed_from_a_checkpoint_without_the_encoder_ends_with_the_same_weights(job, tiny_encoder, tmp_path):
    make = partial(frozen_job, job, tiny_encoder)
    whole, killed, resumed = (make(tmp_path / name) for name in ("whole", "killed", "killed"))
    fit_round(whole, 0)
    killed_fit(killed, 1)
    last = torch.load(killed.run.checkpoints / "round-0/last.ckpt", weights_only=True)
    frozen, fingerprint = frozen_encoder(killed.module)
    assert last[FROZEN] == fingerprint != ""
    assert not frozen & last["state_dict"].keys()
    fit_round(resumed, 0)
    for name, value in whole.module.state_dict().items():
        assert torch.equal(resumed.module.state_dict()[name], value), name


def test_a_checkpoint_of_another_encoder_is_refused(job, tiny_encoder, tmp_path):
    killed, other = (frozen_job(job, tiny_encoder, tmp_path / "run") for _ in range(2))
    killed_fit(killed, 1)
    with torch.no_grad():
        next(other.module.classifier.encoder.parameters()).add_(1e-3)
    with pytest.raises(RunError, match="the checkpoint: expected the frozen encoder"):
        fit_round(other, 0)
