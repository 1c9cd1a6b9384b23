"""`--help`: every setting with its value and its meaning."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf

from vos.cli.configuration import explanations
from vos.cli.signatures import node_parameters

COLUMN, WIDTH = 44, 120
"""Column at which explanations begin, and the largest width of a line."""


def explained(*, _root_: DictConfig) -> str:
    """The whole configuration as YAML with explanations, for Hydra's help template."""
    choices = {str(key): str(option or "") for key, option in _root_.hydra.runtime.choices.items()}
    name = str(_root_.hydra.job.config_name)
    docs = explanations({key: option for key, option in choices.items() if not key.startswith("hydra")}, name)
    plain = OmegaConf.to_container(_root_, resolve=False)
    assert isinstance(plain, dict)  # noqa: S101 - the root is a mapping
    plain.pop("hydra")
    # Hydra reads a dollar sign in this text as the start of a template variable.
    return "\n".join(_lines(plain, docs, "")).replace("$", "$$")


def _lines(node: dict[Any, Any], docs: dict[str, str], path: str) -> Iterator[str]:
    indent = "  " * path.count(".") if path else ""
    own = node_parameters(node)
    for key, value in node.items():
        if str(key).startswith("_"):
            continue
        doc = docs.get(f"{path}{key}") or (own[key].doc if key in own else "")
        if isinstance(value, dict) and value:
            kind = str(value.get("_target_") or "").rpartition(".")[2]
            doc = "" if doc.startswith("see `") else doc  # the settings of that class follow
            yield from _line(f"{indent}{key}:", ": ".join(filter(None, [kind, doc])))
            yield from _lines(value, docs, f"{path}{key}.")
        else:
            yield from _line(f"{indent}{key}: {_shown(value)}", doc)


def _line(setting: str, doc: str) -> Iterator[str]:
    if not doc or len(setting) >= COLUMN:
        yield setting
        setting = ""
    first, more = (f"{each:<{COLUMN}}# " for each in (setting, ""))
    yield from textwrap.wrap(doc, WIDTH, initial_indent=first, subsequent_indent=more)


def _shown(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False, allow_nan=False)
