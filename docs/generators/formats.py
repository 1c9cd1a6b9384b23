"""Tables of the fields of files, from the dataclasses that are written to them."""

from __future__ import annotations

import ast
import json
import re

from docs.generators.markdown import code, prose, table
from vos.cli.signatures import REQUIRED, parameters

RECORDS = {
    "vos.labeling.records.BoundaryRecord": "A line of `near_boundary.jsonl` and of `made.jsonl`",
    "vos.labeling.records.RecordTarget": "`target` of a record",
    "vos.labeling.records.RecordCoverage": "`coverage` of a record",
    "vos.storage.provenance.Provenance": "`provenance` of a record",
    "vos.labeling.label.Label": "An answer: a line of the page's download, or of what `labels=files` reads",
    "vos.labeling.label.Span": "A passage in `spans` of an answer",
}
"""Dataclasses that lie in files, with what each is."""

JSON = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "None": "null",
    "Mapping": "object",
    "tuple": "list",
}
"""Words of JSON for types."""


def page() -> str:
    """The page of tables that the page on file formats includes."""
    parts = []
    for target, about in RECORDS.items():
        rows = [
            [code(name), _json(each.kind), _default(each.default), prose(each.doc)]
            for name, each in parameters(target).items()
        ]
        parts += [f"### {about}", table(["field", "type", "unless given", "meaning"], rows)]
    return "\n\n".join(parts) + "\n"


def _json(kind: ast.expr | None) -> str:
    """A type as JSON has it."""
    text = "any" if kind is None else ast.unparse(kind)
    found = []
    for each in text.split(" | "):
        name = re.match(r"\w+", each)
        word = JSON.get(name[0], "object") if name else each
        inside = re.search(r"\[(?:str, )?(\w+)", each)
        found.append(f"{word} of {JSON.get(inside[1], 'object')}s" if inside and word in ("list", "object") else word)
    return " or ".join(found)


def _default(value: object) -> str:
    """A default as JSON has it."""
    return (
        "required, or filled in" if value is REQUIRED else code(json.dumps(value, ensure_ascii=False, allow_nan=False))
    )
