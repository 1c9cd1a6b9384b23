import json

import pytest

from vos.errors import ModelError
from vos.models import load_classifier


def test_a_folder_without_facts_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"vos\.json: expected a model folder written by this package"):
        load_classifier(tmp_path)


@pytest.mark.parametrize("facts", [{"format_version": 99, "kind": "encoder"}, {"format_version": 1, "kind": "other"}])
def test_another_version_or_kind_is_refused(tmp_path, facts):
    (tmp_path / "vos.json").write_text(json.dumps(facts))
    with pytest.raises(ModelError, match="expected format_version 1 and kind in"):
        load_classifier(tmp_path)
