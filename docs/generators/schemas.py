"""JSON Schemas of the files that are written, from the types that are written to them.

`python -m docs.generators.schemas` writes them into docs/reference/schemas; a test holds them to the types, and the
files of a real run to them.
"""

from __future__ import annotations

import json
import re
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

from docs.generators.links import DOCS
from vos.cli.signatures import parameters
from vos.labeling.label import LABEL_SCHEMA_VERSION, Label
from vos.labeling.records import SCHEMA_VERSION, BoundaryRecord
from vos.storage.run_directory import FORMAT_VERSION
from vos.storage.run_files import LabellingRound, Manifest, RunMetrics

FOLDER = DOCS / "reference" / "schemas"

DRAFT = "https://json-schema.org/draft/2020-12/schema"

PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}

METRIC = {"type": ["number", "null"]}


@dataclass(frozen=True)
class File:
    """A kind of file.

    Attributes:
        type: what each of its objects is.
        about: which file that is.
        versions: field to the version that is written.
        required: fields that must be there; None: all that are always written.
        more: what other fields hold; False: there are none.
    """

    type: type
    about: str
    versions: Mapping[str, int]
    required: Sequence[str] | None = None
    more: Any = False


FILES = {
    "near_boundary": File(BoundaryRecord, "a line of near_boundary.jsonl", {"schema_version": SCHEMA_VERSION}),
    "answer": File(
        Label,
        "an answer: a line of the page's download, or of what labels=files reads",
        {"schema_version": LABEL_SCHEMA_VERSION},
        ("uid", "annotator", "label", "labelled_at"),
        True,
    ),
    "manifest": File(Manifest, "manifest.json of a run", {"format_version": FORMAT_VERSION}),
    "metrics": File(RunMetrics, "metrics.json of a training", {}),
    "labelling_round": File(LabellingRound, "a line of labelling_rounds.jsonl", {}, None, METRIC),
}


def schema(name: str) -> dict[str, Any]:
    """The schema of one of `FILES`.

    Example:
        >>> schema("manifest")["properties"]["status"]["enum"]
        ['running', 'finished']
    """
    file = FILES[name]
    parts: dict[str, Any] = {}
    whole = _object(file.type, parts)
    for field, version in file.versions.items():
        whole["properties"][field]["const"] = version
    if file.required is not None:
        whole["required"] = list(file.required)
        for field, default in _defaults(file.type).items():
            whole["properties"][field]["default"] = default
    whole["additionalProperties"] = file.more
    title = {"$schema": DRAFT, "$id": f"{name}.schema.json", "title": file.about}
    return {**title, **whole, **({"$defs": dict(sorted(parts.items()))} if parts else {})}


def _object(kind: type, parts: dict[str, Any]) -> dict[str, Any]:
    """An object with the fields of a dataclass or a typed dictionary; types within it go into `parts`."""
    hints = get_type_hints(kind, include_extras=True)
    about = parameters(f"{kind.__module__}.{kind.__qualname__}")
    properties, required = {}, []
    for name, hint in hints.items():
        if get_origin(hint) is NotRequired:
            (hint,) = get_args(hint)
        else:
            required.append(name)
        properties[name] = _values(hint, parts) | {"description": re.sub(r"\bNone\b", "null", about[name].doc)}
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _defaults(kind: type) -> dict[str, Any]:
    """What stands for a field that a reader does not find."""
    known = fields(kind) if is_dataclass(kind) else ()
    return {field.name: field.default for field in known if type(field.default) in PLAIN}


def _values(hint: Any, parts: dict[str, Any]) -> dict[str, Any]:
    """What a type allows in JSON."""
    origin, inside = get_origin(hint), get_args(hint)
    if hint is Any:
        return {}
    if hint in PLAIN:
        return {"type": PLAIN[hint]}
    if origin is Literal:
        return {"enum": list(inside)}
    if origin in (Union, types.UnionType):
        each = [_values(one, parts) for one in inside]
        if all(set(one) == {"type"} for one in each):
            return {"type": [one["type"] for one in each]}
        return {"anyOf": each}
    if is_dataclass(hint) or is_typeddict(hint):
        parts.setdefault(hint.__name__, _object(hint, parts))
        return {"$ref": f"#/$defs/{hint.__name__}"}
    if issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _values(inside[1], parts)}
    if issubclass(origin, Sequence):
        return {"type": "array", "items": _values(inside[0], parts)}
    raise TypeError(f"{hint}: expected a type that JSON can hold")


def text(name: str) -> str:
    """A schema as its file holds it."""
    return json.dumps(schema(name), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write(folder: Path = FOLDER) -> None:
    """Write every schema; files of other names there are left."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (folder / f"{name}.schema.json").write_text(text(name), "utf-8")


if __name__ == "__main__":
    write()
