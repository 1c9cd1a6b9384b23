"""Builds one HTML file from the artefacts of a run, without model, network or clock: equal inputs give equal bytes."""

from __future__ import annotations

import html
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from vos.atlas.page_data import VIEWS, Artefacts, check, read_artefacts, slim
from vos.atlas.sealing import seal
from vos.errors import DataError
from vos.labeling.label import answer_of
from vos.page.join import bundle, csp_hash, fill, kit_style, safe_json
from vos.storage.atomic import write_atomically

MAX_TEXTS = 20_000
MAX_BYTES = 8_000_000
ENTRY = "atlas/page/main.js"


@dataclass(frozen=True)
class AtlasPageSettings:
    """How the page is made.

    Attributes:
        title: title of the page.
        blind: hide the model's predictions for unlabelled texts until they are answered.
    """

    title: str = "Boundary atlas"
    blind: bool = False


def build_atlas(folder: Path, output: Path, settings: AtlasPageSettings | None = None) -> Path:
    """Write the page for a folder of artefacts; if an artefact is missing, only its view is dropped.

    Args:
        folder: see `read_artefacts`.
        output: the file to write.
        settings: see there.

    Returns: `output`.

    Raises:
        RunError: see `read_artefacts`.
        DataError: more than `MAX_TEXTS` texts, or a page of more than `MAX_BYTES`.
    """
    content = page_bytes(read_artefacts(folder), settings or AtlasPageSettings(), folder)
    write_atomically(output, content.decode())
    return output


def page_bytes(artefacts: Artefacts, settings: AtlasPageSettings, folder: Path = Path()) -> bytes:
    """The page as UTF-8.

    Script and style are inline and allowed only by their hashes; the content security policy forbids all requests and
    `eval`. d3 is the published file, unmodified.

    Args:
        artefacts: by name; `texts` is required.
        settings: see there.
        folder: named in error messages.

    Raises:
        RunError: the artefacts belong to different texts.
        DataError: see `build_atlas`.
    """
    n = len(artefacts["texts"]["text"])
    if n > MAX_TEXTS:
        raise DataError(f"{folder}: expected at most {MAX_TEXTS:,} texts in an atlas, got {n:,}; set n_texts lower")
    check(artefacts, folder)
    shown: dict[str, Any] = slim(artefacts)
    chunks: list[str] = []
    if settings.blind:
        shown, chunks = seal(shown)
    else:
        shown["texts"] |= {"sealed": [0] * n, "outputs": None}  # asked of nobody here
    content = _fill(_data(shown, settings), chunks, settings).encode("utf-8")
    if len(content) > MAX_BYTES:
        raise DataError(
            f"{folder}: expected a page of at most {MAX_BYTES / 1e6:.0f} MB, got {len(content) / 1e6:.1f} MB of "
            f"{n:,} texts; set n_texts lower"
        )
    return content


def _data(shown: dict[str, Any], settings: AtlasPageSettings) -> dict[str, Any]:
    texts = shown["texts"]
    dropped = shown.get("trust", {}).get("dropped") or {}
    missing = {
        name: f"Not made: {dropped[name]}"
        if name in dropped
        else f"The artefact {name} is not there: python -m vos atlas run=RUN only={name} makes it."
        for name in VIEWS
        if name not in shown
    }
    return {
        "title": settings.title,
        "blind": settings.blind,
        "answers": [answer_of(name) for name in texts["run"]["data_classes"]],
        "sealed": [i for i, sealed in enumerate(texts["sealed"]) if sealed],
        "texts": texts,
        "views": {name: shown[name] for name in VIEWS if name in shown},
        "missing": missing,
    }


def _fill(data: dict[str, Any], chunks: list[str], settings: AtlasPageSettings) -> str:
    root = resources.files("vos")
    files = root.joinpath("atlas", "page")
    style = kit_style() + files.joinpath("atlas.css").read_text(encoding="utf-8")
    d3 = root.joinpath("page", "d3", "d3.min.js").read_text(encoding="utf-8")
    script = bundle(root, ENTRY)
    values = {
        "STYLE_HASH": csp_hash(style),
        "D3_HASH": csp_hash(d3),
        "SCRIPT_HASH": csp_hash(script),
        "TITLE": html.escape(settings.title),
        "STYLE": style,
        "D3": d3,
        "SCRIPT": script,
        "DATA": safe_json(data),
        "SEALED": "\n".join(chunks),
    }
    return fill(files.joinpath("page.html").read_text(encoding="utf-8"), values)
