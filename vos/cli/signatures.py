"""Reads the parameters of a class or function from its source: names, defaults and meanings.

A default is defined in one place, the signature of the class that uses it, and the configuration reads it from there.
The source is parsed, not imported, so that `--help` need not wait for torch to load.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import vos

PACKAGE = Path(vos.__file__).parent

REQUIRED = object()
"""Marks a parameter without a default."""

UNWRITABLE = ("Callable", "Tensor", "Memory")
"""Types of arguments that YAML cannot represent; their defaults are not put into the configuration."""

NO_ARGUMENT = re.compile(r"init=False|ClassVar")
"""Marks a field of a dataclass that is not an argument of its constructor."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a class or function.

    Attributes:
        default: a plain value, a mapping with a `_target_` for an object of this package, or `REQUIRED`.
        doc: its meaning, one line.
        kind: its annotation, with type aliases expanded; None if it has none.
    """

    default: Any
    doc: str
    kind: ast.expr | None = None


Argument = tuple[str, ast.expr | None, ast.expr | None]
"""Name, annotation and default of an argument, as written."""


@cache
def parameters(target: str) -> dict[str, Parameter]:
    """Return the parameters, in order, of a class, a function or a method that constructs an object.

    Args:
        target: dotted name within this package, as in `_target_`.

    Raises:
        LookupError: no such definition.

    Example:
        >>> parameters("vos.outliers.BoundarySampler")["margin"].default
        0.0
    """
    parts = target.split(".")
    end = next((n for n in range(len(parts) - 1, 0, -1) if _body(".".join(parts[:n]))), None)
    if end is None:
        raise LookupError(f"{target}: expected a name of this package")
    module, node = _find(".".join(parts[:end]), parts[end])
    for name in parts[end + 1 :]:
        node = _method(node, name)
    if not isinstance(node, ast.ClassDef | ast.FunctionDef):
        raise LookupError(f"{target}: no such definition")
    return _parameters(module, node, {})


def node_parameters(node: Mapping[Any, Any]) -> dict[str, Parameter]:
    """Parameters of the object that a configuration node builds; none if it builds nothing of this package."""
    target = str(node.get("_target_") or "")
    return parameters(target) if target.startswith(f"{PACKAGE.name}.") else {}


def _parameters(module: str, node: ast.ClassDef | ast.FunctionDef, docs: dict[str, str]) -> dict[str, Parameter]:
    """Arguments of a function, of a class's `__init__`, or fields of a dataclass, those of base classes first."""
    docs = docs | _docs(node)
    init = _method(node, "__init__")
    if init is not None:
        return _parameters(module, init, docs)
    known: dict[str, Parameter] = {}
    for base in reversed(node.bases if isinstance(node, ast.ClassDef) else []):
        origin, above = _find(module, ast.unparse(base))
        if isinstance(above, ast.ClassDef):
            known |= _parameters(origin, above, {})
    for name, annotation, default in _arguments(node):
        known[name] = Parameter(_default(module, annotation, default), docs.get(name, ""), _kind(module, annotation))
    return known


def _arguments(node: ast.ClassDef | ast.FunctionDef) -> Iterator[Argument]:
    if isinstance(node, ast.FunctionDef):
        given = node.args
        defaults = [*[None] * (len(given.args) - len(given.defaults)), *given.defaults, *given.kw_defaults]
        for argument, default in zip([*given.args, *given.kwonlyargs], defaults, strict=True):
            if argument.arg not in ("self", "cls"):
                yield argument.arg, argument.annotation, default
    else:
        for line in node.body:
            if isinstance(line, ast.AnnAssign) and not NO_ARGUMENT.search(ast.unparse(line)):
                yield ast.unparse(line.target), line.annotation, line.value


def _kind(module: str, annotation: ast.expr | None) -> ast.expr | None:
    """An annotation, with type aliases of this package expanded, such as unions and literals."""
    if isinstance(annotation, ast.Name):
        origin, named = _find(module, annotation.id)
        return _kind(origin, named.value) if isinstance(named, ast.Assign) else annotation
    if isinstance(annotation, ast.BinOp):
        left, right = (_kind(module, each) or each for each in (annotation.left, annotation.right))
        return ast.BinOp(left, annotation.op, right)
    return annotation


def _default(module: str, annotation: ast.expr | None, node: ast.expr | None) -> Any:
    """A default as a YAML value; `REQUIRED` if there is none that YAML can represent."""
    unwritable = annotation is not None and any(name in ast.unparse(annotation) for name in UNWRITABLE)
    return REQUIRED if node is None or unwritable else _value(module, node)


def _value(module: str, node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "field":
        given = next((k.value for k in node.keywords if k.arg in ("default_factory", "default")), None)
        return REQUIRED if given is None else _value(module, given)
    if not isinstance(node, ast.Name):
        value = ast.literal_eval(node)
        return list(value) if isinstance(value, tuple) else value
    if node.id in ("dict", "list", "tuple"):
        return {} if node.id == "dict" else []
    origin, named = _find(module, node.id)
    if isinstance(named, ast.Assign):
        return _value(origin, named.value)
    if isinstance(named, ast.ClassDef | ast.FunctionDef):
        return {"_target_": f"{origin}.{named.name}"}
    raise LookupError(f"{module}: no constant {node.id}")


def _find(module: str, name: str) -> tuple[str, ast.stmt | None]:
    """Find a class, function or constant of a module by name; returns it with the module that defines it."""
    for node in _body(module):
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return module, node
        if isinstance(node, ast.Assign) and name in map(ast.unparse, node.targets):
            return module, node
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if name == (alias.asname or alias.name):
                    return _find(f"{module}.{node.module}" if node.level else str(node.module), alias.name)
    return module, None


def _method(node: ast.stmt | None, name: str) -> ast.FunctionDef | None:
    body = node.body if isinstance(node, ast.ClassDef) else []
    return next((each for each in body if isinstance(each, ast.FunctionDef) and each.name == name), None)


@cache
def _body(module: str) -> list[ast.stmt]:
    """The statements of a module of this package; none if the module does not exist."""
    path = PACKAGE.parent.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.pyi", path / "__init__.py"):
        if path.is_relative_to(PACKAGE) and file.is_file():
            return ast.parse(file.read_text("utf-8")).body
    return []


def _docs(node: ast.ClassDef | ast.FunctionDef) -> dict[str, str]:
    """The descriptions of names in the sections `Args` and `Attributes` of a docstring."""
    text = ast.get_docstring(node) or ""
    sections = re.findall(r"^(?:Args|Attributes):\n((?:[ ]+.*\n?|\n)*)", text, re.MULTILINE)
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", "\n".join(sections), re.MULTILINE)
    return {name: " ".join(doc.split()) for name, doc in entries}
