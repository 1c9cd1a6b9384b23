import pytest

from vos.errors import ConfigError
from vos.training.settings import RegularizerSettings, ScheduleSettings


@pytest.mark.parametrize("share", [1.5, -0.1])
def test_schedule_settings_are_checked(share):
    with pytest.raises(ConfigError, match=r"schedule\.warmup_share: expected a number in \[0, 1\]"):
        ScheduleSettings(warmup_share=share)


@pytest.mark.parametrize("wrong", [{"weight": -1}, {"start_epoch": -1}, {"outliers_per_class": 0}, {"refit_every": 0}])
def test_regularizer_settings_are_checked(wrong):
    right = {"weight": 0.1, "start_epoch": 0, "outliers_per_class": 1, "refit_every": 1}
    RegularizerSettings(**right)
    with pytest.raises(ConfigError, match="loss: expected weight >= 0"):
        RegularizerSettings(**(right | wrong))
