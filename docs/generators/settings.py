"""The reference of every setting, from the files of conf/ and the signatures that they fill, as `--help` reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from docs.generators.markdown import code, prose, table
from docs.generators.ranges import values
from vos.cli.configuration import KEY, explanations, folder, with_defaults
from vos.cli.signatures import node_parameters

PROGRAMS = {
    "train": ("python train.py", "vos-train"),
    "synthesize": ("python synthesize.py", "vos-synthesize"),
    "atlas": ("python -m vos atlas", "vos-atlas"),
}
"""Programs, as they are called in a checkout and once installed."""

OPTIONAL = "optional "
"""Of a group in a list of defaults: an option that is not there is no error."""

PLAIN_GROUPS = ("hydra", "experiment", "sweep")
"""Groups whose files change settings of others, or are Hydra's own."""


INTRODUCTION = """
`{called} SETTING=VALUE ...`, or `{installed}` once the package is installed. Choose an option of a group with
`GROUP=OPTION`, and set anything by its dotted name; [command line](../../reference/command_line.md) has the syntax.
`null` is no value. *Values* are checked before any work: one that cannot be used ends the program with one line and
exit code 2. A default such as `${{seed}}` is that of the setting it names. `--help` prints the settings as they are
composed with what you chose.
""".strip()


@dataclass(frozen=True)
class Setting:
    """One setting of one option.

    Attributes:
        name: dotted, as on the command line.
        default: as the command line has it.
        values: what it may be, in words.
        meaning: one line.
    """

    name: str
    default: str
    values: str
    meaning: str


def page(program: str) -> str:
    """The page of a program."""
    called, installed = PROGRAMS[program]
    groups = group_defaults(program)
    parts = [
        f"# Settings of {called}",
        INTRODUCTION.format(called=called, installed=installed),
        _overview(program, groups),
        f"({program}-program)=\n## Of the program",
        _table(program_settings(program)),
    ]
    for group, default in groups.items():
        if group not in PLAIN_GROUPS:
            parts += [f"({program}-{group})=\n## {group}", *_options(program, group, default)]
    if program == "train":
        parts += ["## Presets", *(_presets(group) for group in ("experiment", "sweep"))]
    return "\n\n".join(part for part in parts if part) + "\n"


def group_defaults(program: str) -> dict[str, str]:
    """Groups of a program with the option that is taken unless another is chosen; "" for none."""
    found = {}
    for line in _yaml(folder() / f"{program}.yaml")["defaults"]:
        if isinstance(line, dict) and not str(next(iter(line))).startswith("override"):
            ((group, option),) = line.items()
            found[str(group).removeprefix(OPTIONAL)] = str(option or "")
    return found


def program_settings(program: str) -> list[Setting]:
    """Settings that belong to no group."""
    node = {key: value for key, value in _yaml(folder() / f"{program}.yaml").items() if key != "defaults"}
    return list(_settings(with_defaults(node), explanations({}, program), ""))


def option_settings(program: str, group: str, option: str) -> list[Setting]:
    """Settings that an option of a group brings."""
    node = with_defaults({group: merged(group, option)})
    return list(_settings(node, explanations({group: option}, program), ""))


def merged(group: str, option: str) -> dict[str, Any]:
    """The file of an option over those of its group that it begins with."""
    node = _yaml(folder() / group / f"{option}.yaml")
    found: dict[str, Any] = {}
    for base in node.pop("defaults", []):
        if isinstance(base, str) and base != "_self_":
            found = _over(found, merged(group, base))
    return _over(found, node)


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    found = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(found.get(key), dict)
        found[key] = _over(found[key], value) if both else value
    return found


def _settings(node: dict[str, Any], docs: dict[str, str], path: str) -> Iterator[Setting]:
    own, target = node_parameters(node), str(node.get("_target_") or "")
    for key, value in node.items():
        if str(key).startswith("_"):
            continue
        name = f"{path}{key}"
        meaning = docs.get(name) or (own[key].doc if key in own else "")
        if isinstance(value, dict) and value:
            yield from _settings(value, docs, f"{name}.")
        else:
            if target.startswith("pytorch_lightning."):
                meaning = meaning or f"see `{target.rpartition('.')[2]}` of Lightning"
            yield Setting(name, _shown(value), values(name, target, own.get(key)), meaning)


def _shown(value: Any) -> str:
    if value == "???":
        return "required"
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False, allow_nan=False)


def _options(program: str, group: str, default: str) -> Iterator[str]:
    options = sorted(path.stem for path in (folder() / group).glob("*.yaml"))
    told: dict[tuple[Setting, ...], str] = {}
    for option in sorted(options, key=lambda each: each != default):
        chosen = " (unless another is chosen)" if option == default else ""
        heading = f"### {group}={option}{chosen}"
        settings = tuple(option_settings(program, group, option))
        if settings and settings in told:
            body = f"The same settings as `{group}={told[settings]}`."
        else:
            told[settings] = option
            body = _table(settings) if settings else "No settings."
        yield "\n\n".join(filter(None, [heading, prose(about(group, option)), body]))


def about(group: str, option: str) -> str:
    """What the first lines of an option's file say of it."""
    lines = (folder() / group / f"{option}.yaml").read_text("utf-8").splitlines()
    lines = [line for line in lines if not line.startswith("# @package")]
    end = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return " ".join(line.lstrip("# ") for line in lines[:end])


def _presets(group: str) -> str:
    """Presets of a group, with what each says of itself and what it sets."""
    parts = [f"### {group}=PRESET"]
    for path in sorted((folder() / group).glob("*.yaml")):
        body = re.split(r"^(?!#)", path.read_text("utf-8"), maxsplit=1, flags=re.MULTILINE)[-1]
        parts.append(f"**{group}={path.stem}.** {prose(about(group, path.stem))}\n\n```yaml\n{body.strip()}\n```")
    return "\n\n".join(parts)


def _overview(program: str, groups: dict[str, str]) -> str:
    comments = _group_comments(program)
    rows = []
    for group, default in groups.items():
        if group == "hydra":
            continue
        options = sorted(path.stem for path in (folder() / group).glob("*.yaml"))
        name = code(group) if group in PLAIN_GROUPS else f"[`{group}`](#{program}-{group})"
        rows.append([name, code(default or "null"), ", ".join(map(code, options)), prose(comments.get(group, ""))])
    return table(["group", "unless chosen", "options", "meaning"], rows)


def _group_comments(program: str) -> dict[str, str]:
    """What the list of defaults says of each group; the options that it names stand in a column of their own."""
    found = {}
    for line in (folder() / f"{program}.yaml").read_text("utf-8").splitlines():
        if (key := KEY.match(line.replace("- ", "", 1).replace(OPTIONAL, ""))) and line.startswith("  - ") and key[3]:
            found[key[2]] = key[3].partition(":")[0]
    return found


def _table(settings: list[Setting] | tuple[Setting, ...]) -> str:
    rows = [[code(s.name), code(s.default), prose(s.values), prose(s.meaning)] for s in settings]
    return table(["setting", "default", "values", "meaning"], rows)


def _yaml(path: Path) -> dict[str, Any]:
    found = yaml.safe_load(path.read_text("utf-8")) or {}
    assert isinstance(found, dict)  # noqa: S101 - every file of conf/ is a mapping
    return found
