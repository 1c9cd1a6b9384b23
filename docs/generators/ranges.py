"""The values that a setting may have: the kind its signature asks for, and what its constructor refuses."""

from __future__ import annotations

import ast
import math
import re
from functools import cache

from vos.cli.checks import LIMITS, OWN
from vos.cli.kinds import in_words
from vos.cli.signatures import Parameter, _body, _find  # the source is read here as for --help

RELATION = re.compile(
    r"(?P<names>\w+(?:(?:, | and | and every )\w+)*) "
    r"(?P<relation>(?:>=|<=|>|<|in) (?:[\[(][^\])]*[\])]|-?\d[\d.]*)(?: or null)?)"
)
"""One relation of a refusal, and the settings that it is said of: "epochs and rounds >= 1"."""


def values(name: str, target: str, parameter: Parameter | None) -> str:
    """What a setting may be, in words.

    Args:
        name: dotted, as on the command line.
        target: dotted name of what the setting is given to; "" where a program reads it itself.
        parameter: the argument that it fills, if any.

    Example:
        >>> from vos.cli.signatures import parameters
        >>> settings = "vos.training.job.RefineSettings"
        >>> values("refine.band_share", settings, parameters(settings)["band_share"])
        'a number in (0, 1]'
    """
    kind = parameter.kind if parameter else ast.parse(OWN[name], mode="eval").body if name in OWN else None
    words = in_words(kind) if kind is not None else "any"
    bound = _limit(name) or (refused(target, name.rpartition(".")[2]) if target else "")
    if not bound or bound in words:
        return words
    if bound.startswith(("in ", ">", "<")):
        bare, null = bound.removesuffix(" or null"), " or null" in bound or " or null" in words
        return f"{words.removesuffix(' or null')} {bare}" + (" or null" if null else "")
    return bound


def _limit(name: str) -> str:
    if name not in LIMITS:
        return ""
    low, high = LIMITS[name]
    return f">= {low:g}" if math.isinf(high) else f"in [{low:g}, {high:.10g}]"


@cache
def refused(target: str, name: str) -> str:
    """What the refusals of a class say about one of its arguments; "" where they say nothing.

    Example:
        >>> refused("vos.outliers.NoiseSampler", "scale")
        'a finite number > 0'
    """
    for message in _messages(target):
        setting, _, wanted = message.partition(": expected ")
        wanted = re.split(r", (?:got|found|and)\b", wanted)[0].strip().rstrip(",")
        if "{" in wanted:
            continue
        if setting.rpartition(".")[2] == name and wanted:
            return wanted
        for relation in RELATION.finditer(wanted):
            if name in re.split(r"\W+", relation["names"]):
                return relation["relation"]
    return ""


def _messages(target: str) -> list[str]:
    """Every text of a class and of its bases that says what was expected."""
    module, _, name = target.rpartition(".")
    found: list[str] = []
    if not module or not _body(module):
        return found
    origin, node = _find(module, name)
    if node is None:
        return found
    for each in ast.walk(node):
        if isinstance(each, ast.Call) and ast.unparse(each.func) == "ConfigError" and each.args:
            found.append(_text(each.args[0]))
    for base in node.bases if isinstance(node, ast.ClassDef) else []:
        found += _messages(f"{origin}.{ast.unparse(base)}")
    return [each for each in found if ": expected " in each]


def _text(node: ast.expr) -> str:
    """A text with `{}` for what is filled in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return ""
