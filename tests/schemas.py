"""Validates written files against the JSON Schemas of the documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from docs.generators.schemas import FOLDER


def problems(name: str, *objects: Any) -> list[str]:
    """What of these objects does not fit the schema, each with its place."""
    schema = json.loads((FOLDER / f"{name}.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    found = Draft202012Validator(schema).iter_errors
    return [f"{error.json_path}: {error.message}" for each in objects for error in found(each)]


def of_file(name: str, path: Path) -> list[str]:
    """What of a file of JSON or of JSON lines does not fit the schema; a file without an object is a problem too."""
    text = path.read_text("utf-8")
    objects = [json.loads(line) for line in text.splitlines()] if path.suffix == ".jsonl" else [json.loads(text)]
    return problems(name, *objects) if objects else [f"{path}: empty"]
