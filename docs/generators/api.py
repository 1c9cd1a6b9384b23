"""Pages of the API: every public name of the package and of those of its parts that say what is public."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from itertools import pairwise
from types import ModuleType

from vos.cli.signatures import _body, _find  # the source is read as for --help

PARTS = ("density", "outliers", "losses", "scores", "metrics", "models", "data", "labeling", "types", "errors")
"""Parts of the package with a page each."""


def pages() -> Iterator[tuple[str, str]]:
    """Name and reStructuredText of every page."""
    top = {name: getattr(importlib.import_module("vos"), name) for name in public("vos")}
    # A name that `import vos` offers is explained there alone; the page of its part links to it.
    yield "vos", _page("vos", "What ``import vos`` offers; each name is loaded when it is first used.", list(top), {})
    for part in PARTS:
        module = importlib.import_module(f"vos.{part}")
        names = public(f"vos.{part}")
        known = {name: f"vos.{name}" for name in names if top.get(name) is getattr(module, name)}
        yield part, _page(f"vos.{part}", inspect.getdoc(module) or "", names, known)


def public(module_name: str) -> list[str]:
    """Public names of a module: its ``__all__``, or what it defines without an underscore."""
    module = importlib.import_module(module_name)
    return sorted(getattr(module, "__all__", None) or _own(module))


def _own(module: ModuleType) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", "") == module.__name__ and callable(value)
    ]


def _page(module_name: str, about: str, names: list[str], known: dict[str, str]) -> str:
    parts = [f"{module_name}\n{'=' * len(module_name)}", restructured(about)]
    if known:
        linked = ", ".join(f":py:obj:`{name} <{target}>`" for name, target in known.items())
        parts.append(f"Explained with :doc:`vos <vos>`: {linked}.")
    parts.append(f".. currentmodule:: {module_name}")
    parts += [_entry(module_name, name) for name in names if name not in known]
    if module_name == "vos":
        parts.append("\n   ".join([".. toctree::\n   :caption: Parts of the package\n", *PARTS]))
    return "\n\n".join(parts) + "\n"


def _entry(module_name: str, name: str) -> str:
    value = getattr(importlib.import_module(module_name), name)
    if inspect.isclass(value):
        kind = "autoexception" if issubclass(value, Exception) else "autoclass"
        # The fields of a named tuple stand in its docstring.
        fields = f"\n   :exclude-members: {', '.join(value._fields)}" if hasattr(value, "_fields") else ""
        own = any(base.__module__.startswith("vos.") for base in value.__bases__)
        return f".. {kind}:: {name}{fields}" + ("\n   :show-inheritance:" if own else "")
    if inspect.isroutine(value):
        return f".. autofunction:: {name}"
    about = restructured(constant_doc(module_name, name)).replace("\n", "\n   ")
    return f".. py:data:: {name}\n\n   {about}"


def constant_doc(module_name: str, name: str) -> str:
    """The text that follows a constant in the module that defines it.

    Example:
        >>> constant_doc("vos.labeling", "SKIP")[:10]
        'The text w'
    """
    origin, _ = _find(module_name, name)
    body = _body(origin)
    for node, after in pairwise(body):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(after, ast.Expr) and any(isinstance(each, ast.Name) and each.id == name for each in targets):
            return inspect.cleandoc(str(ast.literal_eval(after.value)))
    return ""


LETTER = re.compile(r"^(\s+\w+: )([A-Za-z]\.)(?=\s|$)")
SECTION = re.compile(r"^(Returns|Raises|Yields|Note|Source): +(\S.*)$")
"""A section of one line."""


def restructured(text: str) -> str:
    r"""A docstring as reStructuredText: sections of one line opened, marks outside of code escaped.

    An argument that is told by a letter, such as `d.`, would begin a list.

    Example:
        >>> print(restructured("A name_ of |x| and `y`.\n\nReturns: a number"))
        A name\_ of \|x\| and `y`.
        <BLANKLINE>
        Returns:
            a number
        >>> print(restructured("    n_features: d."))
            n_features: \d.
    """
    lines = []
    for line in text.splitlines():
        section = SECTION.match(line)
        if section and section[1] != "Source":
            lines += [f"{section[1]}:", f"    {_escaped(section[2])}"]
        else:
            line = LETTER.sub(r"\1\\\2", line)
            lines.append(line if line.lstrip().startswith((">>>", "...")) else _escaped(line))
    return "\n".join(lines)


def _escaped(line: str) -> str:
    parts = re.split(r"(`+[^`]*`+)", line)
    return "".join(part if part.startswith("`") else re.sub(r"(\*|\||(?<=\w)_(?!\w))", r"\\\1", part) for part in parts)
