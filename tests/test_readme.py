"""The examples of the README, and of the pages split from it, work."""

import importlib
import re

import torch

from tests.conftest import ROOT
from vos.models import EncoderClassifier

TEXT = (ROOT / "README.md").read_text("utf-8")
GROUPS = (ROOT / "docs/reference/command_line.md").read_text("utf-8")
PUBLISH = (ROOT / "docs/how_to/publish.md").read_text("utf-8")


def test_the_snippet_loads_a_saved_model_without_this_package(tiny_encoder, tmp_path):
    classifier = EncoderClassifier(tiny_encoder, ("harmless", "harmful"), max_length=64).eval()
    classifier.save(tmp_path)
    snippet = re.search(r"```python\n(from safetensors.*?)```", PUBLISH, re.DOTALL).group(1)
    assert "vos" not in snippet
    texts = ["a short one", "a longer text that needs more tokens"]
    scope = {"path": str(tmp_path), "texts": texts}
    exec(snippet.replace("max_length=128", "max_length=64"), scope)  # noqa: S102 - our own README
    batch = classifier.tokenizer(texts, padding=True, return_tensors="pt")
    torch.testing.assert_close(scope["logits"], classifier(batch)[1], atol=1e-6, rtol=1e-5)


def test_the_table_of_groups_is_whole():
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \|", GROUPS, re.MULTILINE)
    named = {group: set(options.split(", ")) - {"null"} for group, options in rows if (ROOT / "conf" / group).is_dir()}
    assert len(named) == 17
    for group, options in named.items():
        assert options == {path.stem for path in (ROOT / "conf" / group).glob("*.yaml")}, group
    assert {path.name for path in (ROOT / "conf").iterdir() if path.is_dir()} - named.keys() == {
        "callbacks",
        "hydra",
        "paths",
    }


def test_a_stranger_can_read_it_in_one_go():
    lines = TEXT.splitlines()
    assert len(lines) <= 120


def test_every_file_that_is_linked_exists():
    missing = [t for t in re.findall(r"\]\(([^)#]+)\)", TEXT) if "://" not in t and not (ROOT / t).exists()]
    assert missing == []


def test_no_number_was_left_open():
    assert "@@" not in TEXT


def exists(name):
    """Whether a dotted name is a module, or something that a module defines."""
    try:
        return importlib.import_module(name) is not None
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return hasattr(importlib.import_module(module), attribute)


def test_every_module_that_the_documents_name_exists():
    pages = [path.read_text("utf-8") for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))]
    named = {name for page in pages for name in re.findall(r"`(vos(?:\.[a-z_]+)+)`", page)}
    assert len(named) > 8
    assert [name for name in sorted(named) if not exists(name)] == []
