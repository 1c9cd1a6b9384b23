"""Signatures read from source code against those of the imported objects."""

import dataclasses
import inspect

import pytest
from hydra.utils import get_object
from omegaconf import OmegaConf

from tests.conftest import ROOT
from vos.cli.signatures import REQUIRED, parameters


def named(node):
    for value in node.values():
        if isinstance(value, dict):
            yield from named(value)
    if str(node.get("_target_") or "").startswith("vos."):
        yield node["_target_"]


FILES = sorted((ROOT / "conf").rglob("*.yaml"))
TARGETS = sorted({target for path in FILES for target in named(OmegaConf.to_container(OmegaConf.load(path)))})


@pytest.mark.parametrize("target", TARGETS)
def test_the_source_says_what_the_object_says(target):
    real = inspect.signature(get_object(target)).parameters
    known = parameters(target)
    assert sorted(known) == sorted(real)  # the order of arguments that have names says nothing
    for name, each in known.items():
        assert each.doc, f"{target}: {name} is not explained"
        default = real[name].default
        if each.default is REQUIRED:
            continue  # none, or one that no configuration can hold
        if isinstance(each.default, dict) and "_target_" in each.default:
            nested = each.default["_target_"]
            fields = {field.name: field for field in dataclasses.fields(get_object(target))}
            assert fields[name].default_factory is get_object(nested)
        elif default is not dataclasses._HAS_DEFAULT_FACTORY:
            assert each.default == (list(default) if isinstance(default, tuple) else default)


def test_what_does_not_exist_is_named():
    with pytest.raises(LookupError, match=r"vos\.outliers\.Nothing: no such definition"):
        parameters("vos.outliers.Nothing")
    with pytest.raises(LookupError, match="expected a name of this package"):
        parameters("torch.nn.Linear")
