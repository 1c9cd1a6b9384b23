"""Pictures of the site, drawn as SVG when it is built."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from xml.sax.saxutils import escape

from docs.generators.links import ROOT
from docs.generators.plane import plane

ABOUT = {
    "__main__": "`python -m vos`",
    "cli": "command line, settings, exit codes (Hydra)",
    "simulation": "the whole loop with an oracle",
    "synthesis": "a run's batch, and its verification",
    "exposure": "auxiliary outlier texts",
    "atlas": "why the boundary lies where it lies",
    "loop": "between two rounds of labels",
    "generation": "texts by a language model",
    "interpret": "what moves a margin",
    "labeling": "ledger, batches, answers",
    "training": "rounds of training and measuring",
    "mining": "which texts to label",
    "losses": "regularisers",
    "metrics": "boundary and OOD metrics",
    "outliers": "virtual outliers",
    "scores": "OOD scores",
    "models": "encoder and linear head",
    "data": "files, splits, batches",
    "types": "texts, features, heads",
    "density": "Gaussians of the features",
    "page": "parts of offline pages",
    "console": "lines and tables on the screen",
    "storage": "run folders, hashes, seeds",
    "harmful": "which classes are harm",
    "errors": "one root, one class a cause",
}
"""What each folder or module of the package is for."""

WIDTH, HEIGHT, GAP = 860, 46, 10


def pictures() -> Iterator[tuple[str, str]]:
    """Name and SVG of every picture."""
    yield "house", house()
    yield "plane", plane()


def layers() -> list[list[str]]:
    """Layers of the package from above, as the linter of imports is told them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    told = next(each["layers"] for each in contracts if each["type"] == "layers")
    return [line.split(" | ") for line in told]


def house() -> str:
    """The layers of the package, one above the other."""
    boxes, y = [], 0
    for layer in layers():
        width = (WIDTH - GAP * (len(layer) - 1)) / len(layer)
        for i, name in enumerate(layer):
            boxes.append(_box(i * (width + GAP), y, width, name))
        y += HEIGHT + GAP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-2 -2 {WIDTH + 4} {y - GAP + 4}" role="img" '
        'font-family="system-ui, sans-serif" text-anchor="middle">\n'
        "<title>Folders and modules of the package vos in layers; each imports only from layers below it</title>\n"
        + "\n".join(boxes)
        + "\n</svg>\n"
    )


def _box(x: float, y: float, width: float, name: str) -> str:
    middle = x + width / 2
    about = escape(ABOUT[name].replace("`", ""))
    return (
        f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{HEIGHT}" rx="6" fill="#f3f6fa" stroke="#5b7083"/>'
        f'<text x="{middle:.1f}" y="{y + 19}" font-size="15" font-weight="600" fill="#17324d">{name}</text>'
        f'<text x="{middle:.1f}" y="{y + 36}" font-size="11.5" fill="#33475b">{about}</text>'
    )
