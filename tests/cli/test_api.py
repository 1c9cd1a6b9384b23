"""`vos.synthesize`: the program as a function."""

import pytest

import vos
from tests.cli.commands import synthesis
from vos.errors import ConfigError
from vos.labeling import read_jsonl


def own(run):
    """The overrides that keep the work small, without those that the function gives itself."""
    return [each for each in synthesis(run) if not each.startswith(("run=", "n="))]


def test_a_batch_is_made_in_a_folder_with_an_odd_name(run, tmp_path):
    folder = tmp_path / "it's a, {folder}"
    result = vos.synthesize(run, 6, output=folder, overrides=own(run))
    assert len(result.records) == 6
    assert [record.uid for record in read_jsonl(folder / "near_boundary.jsonl")] == [r.uid for r in result.records]


def test_an_old_name_is_refused(run):
    with pytest.raises(ConfigError, match="this is called candidates=pool now"):
        vos.synthesize(run, overrides=["candidates=retrieval"])
