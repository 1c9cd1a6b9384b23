"""Tables of the fields of files, from the dataclasses that are written to them."""

from __future__ import annotations

import ast
import json

from docs.generators.markdown import code, prose, table
from vos.cli.signatures import REQUIRED, Parameter, parameters

RECORDS = {
    "vos.labeling.records.BoundaryRecord": "A line of `near_boundary.jsonl` and of `made.jsonl`",
    "vos.labeling.records.RecordTarget": "`target` of a record",
    "vos.labeling.records.RecordCoverage": "`coverage` of a record",
    "vos.storage.provenance.Provenance": "`provenance` of a record",
    "vos.labeling.label.Label": "An answer: a line of the page's download, or of what `labels=files` reads",
    "vos.labeling.label.Span": "A passage in `spans` of an answer",
    "vos.storage.run_files.Manifest": "manifest.json",
    "vos.storage.run_files.RunMetrics": "metrics.json",
    "vos.storage.run_files.Calibration": "`calibration` in both",
    "vos.storage.run_files.LabellingRound": "A line of `labelling_rounds.jsonl`",
}
"""Types of what lies in files, with what each is."""

JSON = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "None": "null",
    "Mapping": "object",
    "tuple": "list",
    "Sequence": "list",
    "list": "list",
    "Any": "any value",
}
"""Words of JSON for types."""


def page() -> str:
    """The page of tables that the page on file formats includes."""
    parts = []
    for target, about in RECORDS.items():
        rows = [
            [code(name), _json(each.kind), _default(each), prose(each.doc)] for name, each in parameters(target).items()
        ]
        parts += [f"### {about}", table(["field", "type", "unless given", "meaning"], rows)]
    return "\n\n".join(parts) + "\n"


def _json(kind: ast.expr | None) -> str:
    """A type as JSON has it.

    Example:
        >>> [_json(ast.parse(text, mode="eval").body) for text in ("str | None", "Mapping[str, float | None]")]
        ['text or null', 'object of numbers or null']
    """
    if kind is None:
        return "any"
    if isinstance(kind, ast.BinOp):
        return f"{_json(kind.left)} or {_json(kind.right)}"
    if not isinstance(kind, ast.Subscript):
        return JSON.get(ast.unparse(kind), "object")
    name, inside = ast.unparse(kind.value), kind.slice
    parts = inside.elts if isinstance(inside, ast.Tuple) else [inside]
    if name == "NotRequired":
        return _json(parts[0])
    if name == "Literal":
        return " or ".join(code(json.dumps(ast.literal_eval(each))) for each in parts)
    word, _, rest = _json(parts[1] if name == "Mapping" else parts[0]).partition(" or ")
    return f"{JSON[name]} of {word}s{f' or {rest}' if rest else ''}" if word != "any value" else JSON[name]


def _default(each: Parameter) -> str:
    """A default as JSON has it."""
    if each.kind is not None and ast.unparse(each.kind).startswith("NotRequired"):
        return "may be absent"
    if each.default is REQUIRED:
        return "required, or filled in"
    return code(json.dumps(each.default, ensure_ascii=False, allow_nan=False))
