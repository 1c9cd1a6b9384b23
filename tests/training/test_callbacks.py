import pytest

from vos.training.callbacks import ResumableEarlyStopping, fit_callbacks


def test_patience_below_zero_never_stops_early(tmp_path):
    kinds = [type(c).__name__ for c in fit_callbacks(tmp_path, "val/loss", patience=-1, progress=None)]
    assert kinds == ["ModelCheckpoint", "ModelCheckpoint"]
    kinds = [type(c).__name__ for c in fit_callbacks(tmp_path, "val/loss", patience=0, progress="round 0")]
    assert kinds == ["ResumableEarlyStopping", "ModelCheckpoint", "ModelCheckpoint", "FitProgress"]


@pytest.mark.parametrize(("bad_epochs", "stops"), [(1, False), (2, True), (3, True)])
def test_a_resumed_fit_obeys_a_stop_that_had_struck_before(bad_epochs, stops):
    class FakeTrainer:
        should_stop = False

    stopping = ResumableEarlyStopping("val/loss", patience=2)
    stopping.wait_count = bad_epochs
    trainer = FakeTrainer()
    stopping.on_train_start(trainer, None)
    assert trainer.should_stop is stops
