"""The notebooks: they run unchanged, on any run of the embedded corpus, and their outputs are stored."""

from __future__ import annotations

import base64
import json

import pytest

from docs.generators import notebook
from tests.conftest import toy_examples
from tests.training.modules import NAMES

PATHS = sorted(notebook.FOLDER.glob("*.ipynb"))


def made_of(*sources):
    cells = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "execution_count": None, "outputs": [], "source": [each]}
        for i, each in enumerate(sources)
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def kinds(stored):
    """What each cell gives, without its content."""
    return [[(one["output_type"], *one.get("data", ())) for one in cell.get("outputs", ())] for cell in stored["cells"]]


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_it_runs_and_its_stored_outputs_are_of_its_kind(path, tiny_encoder, tmp_path, monkeypatch):
    from vos.training.train import train

    examples = toy_examples(48)
    texts, labels = [each.text for each in examples], [NAMES[each.label] for each in examples]
    train(texts, labels, val=0.25, model=tiny_encoder, epochs=1, rounds=0, output=tmp_path / "run")
    monkeypatch.setenv(notebook.RUN, str(tmp_path / "run"))
    stored = notebook.read(path)
    fresh = notebook.executed(stored, path.name)
    assert json.dumps(fresh, allow_nan=False)
    assert kinds(fresh) == kinds(stored)
    assert [c.get("execution_count") for c in fresh["cells"]] == [c.get("execution_count") for c in stored["cells"]]
    assert ("display_data", "image/png") in [kind for cell in kinds(fresh) for kind in cell]
    outputs = [output for cell in fresh["cells"] for output in cell.get("outputs", ())]
    printed = "".join(line for output in outputs for line in output.get("text", ()))
    assert "298 texts, wrong " in printed
    assert "80 virtual outliers, largest |margin| 0.0000" in printed


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_it_is_a_notebook_of_jupyter(path):
    stored = notebook.read(path)
    assert (stored["nbformat"], stored["nbformat_minor"]) == (4, 5)
    assert stored["metadata"]["kernelspec"]["name"] == "python3"
    assert len({cell["id"] for cell in stored["cells"]}) == len(stored["cells"])
    for cell in stored["cells"]:
        more = {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        assert set(cell) == {"cell_type", "id", "metadata", "source"} | more


def test_outputs_are_what_is_printed_the_last_value_and_open_figures():
    from matplotlib import pyplot as plt

    made = notebook.executed(
        made_of("print('a')\n1 + 1", "x = 2\nx;", "import matplotlib.pyplot as plt\nplt.figure()\nx", "None"), "n"
    )
    first, second, third, fourth = (cell["outputs"] for cell in made["cells"])
    assert [one["output_type"] for one in first] == ["stream", "execute_result"]
    assert (first[0]["text"], first[1]["data"]) == (["a\n"], {"text/plain": ["2"]})
    assert second == fourth == []
    assert third[0]["data"] == {"text/plain": ["2"]}  # names of earlier cells are known
    assert base64.b64decode(third[1]["data"]["image/png"]).startswith(b"\x89PNG")
    assert plt.get_fignums() == []
    with pytest.raises(RuntimeError, match=r"n: cell 2: ZeroDivisionError: division by zero"):
        notebook.executed(made_of("1", "1 / 0"), "n")


def test_a_page_shows_cells_outputs_and_pictures(tmp_path):
    made = notebook.executed(made_of("print('a < b')", "import matplotlib.pyplot as plt\nplt.figure();"), "n")
    made["cells"].insert(0, {"cell_type": "markdown", "id": "m", "metadata": {}, "source": ["# A title\n", "\n", "x"]})
    made["cells"][2]["metadata"]["alt"] = "a figure"
    text, pictures = notebook.page(made, "n")
    assert text.startswith(
        "# A title\n\nx\n\nThis page is a notebook: [n.ipynb](n.ipynb).\n\n```python\nprint('a < b')\n```"
    )
    assert "```text\na < b\n```" in text
    assert text.endswith("![a figure](n-1.png)\n")
    assert set(pictures) == {"n-1.png"}
    found = dict(notebook.pages(notebook.DOCS / "generated/notebooks"))
    pages = {path.name: content for path, content in found.items()}
    assert pages["boundary-1.png"].startswith(b"\x89PNG")
    assert "](../../concepts/boundary.md)" in pages["boundary.md"]
    assert "](../../notebooks/boundary.ipynb)" in pages["boundary.md"]
