"""The configuration composed as the programs compose it."""

import pytest
from hydra import initialize

from vos.cli.compose import prepare


@pytest.fixture
def hydra_at_conf():
    prepare()
    with initialize(version_base="1.3", config_path=None):
        yield
