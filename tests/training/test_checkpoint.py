import torch
from torch import nn

from vos.storage.run_directory import RunDirectory
from vos.training.checkpoint import RoundCheckpoint, load_state, read_round, save_state


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
