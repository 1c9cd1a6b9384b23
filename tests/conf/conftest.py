"""The configuration composed as the programs compose it."""

import pytest
from hydra import initialize

from vos.cli.configuration import register
from vos.cli.history import register_resolvers


@pytest.fixture
def hydra_at_conf():
    register_resolvers()
    register()
    with initialize(version_base="1.3", config_path=None):
        yield
