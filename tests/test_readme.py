"""What the README shows is what works."""

import importlib
import re

import torch

from tests.conftest import ROOT
from vos.models import EncoderClassifier

TEXT = (ROOT / "README.md").read_text("utf-8")


def test_the_snippet_loads_a_saved_model_without_this_package(tiny_encoder, tmp_path):
    classifier = EncoderClassifier(tiny_encoder, ("harmless", "harmful"), max_length=64).eval()
    classifier.save(tmp_path)
    snippet = re.search(r"```python\n(from safetensors.*?)```", TEXT, re.DOTALL).group(1)
    assert "vos" not in snippet
    texts = ["a short one", "a longer text that needs more tokens"]
    scope = {"path": str(tmp_path), "texts": texts}
    exec(snippet.replace("max_length=128", "max_length=64"), scope)  # noqa: S102 - our own README
    batch = classifier.tokenizer(texts, padding=True, return_tensors="pt")
    torch.testing.assert_close(scope["logits"], classifier(batch)[1], atol=1e-6, rtol=1e-5)


def test_every_group_and_option_that_is_named_exists():
    named = re.findall(
        r"`(data|model|density|outliers|exposure|language_model|loss|optimizer|schedule|trainer|logger|candidates|labeling|labels)`\s\(([^)]*)\)",
        TEXT,
    )
    assert len(named) == 14
    for group, options in named:
        expected = {path.stem for path in (ROOT / "conf" / group).glob("*.yaml")}
        assert set(re.split(r",\s+", options)) == expected, group
    for preset in re.findall(r"`(experiment|sweep)=(\w+)`", TEXT):
        assert (ROOT / "conf" / preset[0] / f"{preset[1]}.yaml").exists(), preset


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
