"""`import vos`: a light import, and every public name in its documented place."""

import json
import subprocess
import sys

import pytest

import vos

HEAVY = ("torch", "transformers", "pytorch_lightning", "hydra", "wandb", "numpy", "scipy", "sklearn", "matplotlib")


def modules_after(code):
    command = [sys.executable, "-c", f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)))"]
    return set(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def test_the_import_loads_nothing_heavy():
    assert not modules_after("import vos; dir(vos); vos.__version__") & set(HEAVY)


def test_the_command_line_starts_without_torch():
    assert not modules_after("import vos.cli.main") & (set(HEAVY) - {"hydra"})


@pytest.mark.parametrize("name", vos.__all__)
def test_every_public_name_is_there_and_explained(name):
    assert name in dir(vos)
    assert getattr(vos, name).__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"vos.*nothing"):
        vos.nothing  # noqa: B018 - the access is the test
