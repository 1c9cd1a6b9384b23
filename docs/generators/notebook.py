"""Notebooks: run as they stand, their outputs written into them, and shown as pages of the site.

`python -m docs.generators.notebook RUN` runs every notebook of docs/notebooks on a finished run and writes what it
gave. The cells are run one after the other in one namespace, as Jupyter runs them: what a cell prints, the value of its
last line and the figures that it leaves open are its outputs.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from docs.generators.links import DOCS, site_links

FOLDER = DOCS / "notebooks"

RUN = "VOS_RUN"
"""Environment variable that names the run; a notebook says what it reads without."""

Notebook = dict[str, Any]


def read(path: Path) -> Notebook:
    """A notebook as it is stored."""
    notebook: Notebook = json.loads(path.read_text("utf-8"))
    return notebook


def executed(notebook: Notebook, name: str) -> Notebook:
    """The notebook with the outputs of running it here and now.

    Args:
        notebook: see `read`; left as it is.
        name: of the notebook, for messages.

    Raises:
        RuntimeError: a cell ended with an error; names the cell.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    namespace: dict[str, Any] = {"__name__": "__main__"}
    cells, count = [], 0
    for number, cell in enumerate(notebook["cells"], 1):
        if cell["cell_type"] != "code":
            cells.append(cell)
            continue
        count += 1
        try:
            outputs = _run("".join(cell["source"]), namespace, count)
        except Exception as error:
            raise RuntimeError(f"{name}: cell {number}: {type(error).__name__}: {error}") from error
        cells.append({**cell, "execution_count": count, "outputs": outputs})
    return {**notebook, "cells": cells}


def _run(source: str, namespace: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """The outputs of one cell, in the form of the file."""
    body = ast.parse(source).body
    shown = body and isinstance(body[-1], ast.Expr) and not source.rstrip().endswith(";")
    last = body.pop() if shown else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(ast.Module(body, []), "<cell>", "exec"), namespace)  # noqa: S102 - our own notebook
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), namespace)  # noqa: S307 - the same
    outputs: list[dict[str, Any]] = []
    if printed.getvalue():
        outputs.append({"output_type": "stream", "name": "stdout", "text": _lines(printed.getvalue())})
    if value is not None:
        data = {"text/plain": _lines(repr(value))}
        outputs.append({"output_type": "execute_result", "execution_count": count, "data": data, "metadata": {}})
    return [*outputs, *_figures()]


def _figures() -> Iterator[dict[str, Any]]:
    """The figures that are open, closed after it."""
    from matplotlib import pyplot as plt

    for number in plt.get_fignums():
        picture = io.BytesIO()
        plt.figure(number).savefig(picture, format="png", metadata={"Software": None})
        data = {"image/png": base64.b64encode(picture.getvalue()).decode("ascii")}
        yield {"output_type": "display_data", "data": data, "metadata": {}}
    plt.close("all")


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def pages(folder: Path) -> Iterator[tuple[Path, str | bytes]]:
    """Every notebook as a page of Markdown in a folder of the site, and its pictures: path and content."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        text, pictures = page(read(path), path.stem)
        place = folder / f"{path.stem}.md"
        yield place, site_links(text, path, place)
        for name, picture in pictures.items():
            yield folder / name, picture


def page(notebook: Mapping[str, Any], name: str) -> tuple[str, dict[str, bytes]]:
    """A notebook as Markdown, links as in the notebook and one to itself, and its pictures by file name."""
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            data = output.get("data", {})
            text = "".join(output.get("text") or data.get("text/plain", ""))
            if text:
                parts.append(f"```text\n{text.rstrip()}\n```")
            if "image/png" in data:
                file = f"{name}-{len(pictures) + 1}.png"
                pictures[file] = base64.b64decode(data["image/png"])
                parts.append(f"![{cell['metadata'].get('alt', 'output of the cell above')}]({file})")
    head, *rest = parts
    link = f"This page is a notebook: [{name}.ipynb]({name}.ipynb)."
    return "\n\n".join([head, link, *rest]) + "\n", pictures


def write(run: str) -> None:
    """Run every notebook on a finished run, and keep what it gave."""
    os.environ[RUN] = run
    for path in sorted(FOLDER.glob("*.ipynb")):
        made = executed(read(path), path.name)
        path.write_text(json.dumps(made, indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")


if __name__ == "__main__":
    write(sys.argv[1])
