from pathlib import Path

import pytest
import torch
from torch import nn

from vos.errors import RunError
from vos.storage.run_directory import RunDirectory
from vos.training.checkpoint import RoundCheckpoint, load_state, read_round, save_state
from vos.training.loop import fit_round


def test_a_round_is_kept_whole_or_not_at_all(tmp_path):
    run = RunDirectory(tmp_path)
    assert read_round(run, 0) is None
    kept = RoundCheckpoint(0, {"boundary/band": 0.25}, torch.tensor([[0.0, 1.0], [0.0, 2.0]]))
    kept.write(run)
    found = read_round(run, 0)
    assert found.metrics == kept.metrics
    assert torch.equal(found.val_logits, kept.val_logits)
    (run.rounds / "0.json").unlink()  # the JSON file is written last
    assert read_round(run, 0) is None


def test_a_module_is_read_back_with_its_buffers(tmp_path):
    saved, read = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    saved.running_mean.fill_(2.0)
    nn.init.constant_(saved.weight, 5.0)
    save_state(saved, tmp_path / "deep" / "a.safetensors")
    load_state(read, tmp_path / "deep" / "a.safetensors")
    for name, value in saved.state_dict().items():
        assert torch.equal(read.state_dict()[name], value), name


class Payload:
    """Written into a pickle, it is a call of a function: whoever loads the pickle makes the file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["last.ckpt", "best.ckpt"])
def test_a_checkpoint_that_holds_code_is_refused_and_not_run(job, monkeypatch, tmp_path, name):
    evil, folder = tmp_path / "evil", job.run.checkpoints / "round-0"
    folder.mkdir(parents=True)
    if name == "best.ckpt":  # put in place of the one that the fit wrote
        monkeypatch.setattr("pytorch_lightning.Trainer.fit", lambda *_, **__: None)
    torch.save({"state_dict": job.module.state_dict(), "epoch": 0, "x": Payload(evil)}, folder / name)
    with pytest.raises(RunError, match=f"{name}: expected weights and plain values, found a pickle") as caught:
        fit_round(job, 0)
    assert len(str(caught.value).splitlines()) == 1
    assert not evil.exists()
    torch.load(folder / name, weights_only=False)  # it would have worked
    assert evil.exists()
