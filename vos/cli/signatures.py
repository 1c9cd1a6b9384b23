"""What a class or function takes, read from its source: names, defaults and what they mean.

A default stands in one place, the signature of the class that uses it, and the configuration takes it from there. The
source is read and not imported, so that `--help` answers before torch could be loaded.
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
"""In place of a default where there is none."""

UNWRITABLE = ("Callable", "Tensor")
"""Types of arguments that no configuration can hold: their defaults are none of its business."""


@dataclass(frozen=True)
class Parameter:
    """An argument.

    Attributes:
        default: a plain value, a mapping with a `_target_` for an object of this package, or `REQUIRED`.
        doc: what it means, one line.
    """

    default: Any
    doc: str


@dataclass(frozen=True)
class _Place:
    """A definition and the module that it stands in."""

    module: str
    node: ast.ClassDef | ast.FunctionDef


@cache
def parameters(target: str) -> dict[str, Parameter]:
    """Arguments by name of a class, a function or a class's constructor method, in their order.

    Args:
        target: dotted name within this package, as in `_target_`.

    Raises:
        LookupError: there is no such definition.

    Example:
        >>> parameters("vos.outliers.BoundarySampler")["margin"].default
        0.0
    """
    module, names = _split(target)
    place = _find(module, names[0])
    for name in names[1:]:
        inner = next((n for n in place.node.body if isinstance(n, ast.FunctionDef) and n.name == name), None)
        if inner is None:
            raise LookupError(f"{target}: no such definition")
        place = _Place(place.module, inner)
    if isinstance(place.node, ast.FunctionDef):
        return dict(_of_function(place, _docs(place.node)))
    return _of_class(place)


def _of_class(place: _Place) -> dict[str, Parameter]:
    """Of a dataclass its fields, those of its bases first; of another class what `__init__` takes."""
    assert isinstance(place.node, ast.ClassDef)  # noqa: S101 - the caller's branch
    docs = _docs(place.node)
    init = next((n for n in place.node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
    if init is not None:
        return dict(_of_function(_Place(place.module, init), docs | _docs(init)))
    found: dict[str, Parameter] = {}
    for base in reversed(place.node.bases):
        if isinstance(base, ast.Name) and (origin := _known(place.module, base.id)) is not None:
            found |= _of_class(origin)
    for each in place.node.body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and _is_argument(each):
            default = _default(place.module, each.annotation, each.value)
            found[each.target.id] = Parameter(default, docs.get(each.target.id, ""))
    return found


def _of_function(place: _Place, docs: Mapping[str, str]) -> Iterator[tuple[str, Parameter]]:
    assert isinstance(place.node, ast.FunctionDef)  # noqa: S101 - the caller's branch
    arguments = place.node.args
    plain: list[ast.expr | None] = [None] * (len(arguments.args) - len(arguments.defaults))
    defaults = [*plain, *arguments.defaults, *arguments.kw_defaults]
    for argument, default in zip([*arguments.args, *arguments.kwonlyargs], defaults, strict=True):
        if argument.arg not in ("self", "cls"):
            value = _default(place.module, argument.annotation, default)
            yield argument.arg, Parameter(value, docs.get(argument.arg, ""))


def _is_argument(node: ast.AnnAssign) -> bool:
    """Whether a line of a dataclass is a field that its constructor takes."""
    kept_out = node.value is not None and "init=False" in ast.unparse(node.value)
    return not kept_out and "ClassVar" not in ast.unparse(node.annotation)


def _default(module: str, annotation: ast.expr | None, node: ast.expr | None) -> Any:
    """A default as a configuration can hold it; `REQUIRED` where there is none such."""
    unwritable = annotation is not None and any(name in ast.unparse(annotation) for name in UNWRITABLE)
    return REQUIRED if node is None or unwritable else _value(module, node)


def _value(module: str, node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "field":
        factory = next((k.value for k in node.keywords if k.arg in ("default_factory", "default")), None)
        if isinstance(factory, ast.Name) and factory.id in ("dict", "list", "tuple"):
            return {} if factory.id == "dict" else []
        if isinstance(factory, ast.Name) and (origin := _known(module, factory.id)) is not None:
            return {"_target_": f"{origin.module}.{factory.id}"}
        return REQUIRED if factory is None else _value(module, factory)
    if isinstance(node, ast.Name):
        where, constant = _constant(module, node.id)
        return _value(where, constant)
    value = ast.literal_eval(node)
    return list(value) if isinstance(value, tuple) else value


def _constant(module: str, name: str) -> tuple[str, ast.expr]:
    """The value of a module's constant, and the module that it stands in."""
    for node in _tree(module).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            return module, node.value
    for origin, given, local in _imports(module):
        if local == name:
            return _constant(origin, given)
    raise LookupError(f"{module}: no constant {name}")


def _known(module: str, name: str) -> _Place | None:
    try:
        return _find(module, name)
    except LookupError:
        return None


def _find(module: str, name: str) -> _Place:
    """A definition, looked for where its name was imported from."""
    for node in _tree(module).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return _Place(module, node)
    for origin, given, local in _imports(module):
        if local == name:
            return _find(origin, given)
    raise LookupError(f"{module}.{name}: no such definition")


def _imports(module: str) -> Iterator[tuple[str, str, str]]:
    """Module, name there and name here of what a module imports from this package."""
    for node in _tree(module).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == PACKAGE.name:
            for alias in node.names:
                yield str(node.module), alias.name, alias.asname or alias.name


def _split(target: str) -> tuple[str, list[str]]:
    """The module of a dotted name, and the names within it."""
    parts = target.split(".")
    for end in range(len(parts) - 1, 0, -1):
        if _file(".".join(parts[:end])) is not None:
            return ".".join(parts[:end]), parts[end:]
    raise LookupError(f"{target}: expected a name of this package")


def _file(module: str) -> Path | None:
    root, *rest = module.split(".")
    path = PACKAGE.joinpath(*rest)
    files = (path.with_suffix(".py"), path / "__init__.py") if rest else (path / "__init__.py",)
    return next((file for file in files if root == PACKAGE.name and file.is_file()), None)


@cache
def _tree(module: str) -> ast.Module:
    file = _file(module)
    if file is None:
        raise LookupError(f"{module}: no such module")
    return ast.parse(file.read_text("utf-8"))


def _docs(node: ast.ClassDef | ast.FunctionDef) -> dict[str, str]:
    """What the sections `Args` and `Attributes` of a docstring say of each name."""
    text = ast.get_docstring(node) or ""
    sections = re.findall(r"^(?:Args|Attributes):\n((?:[ ]+.*\n?|\n)*)", text, re.MULTILINE)
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", "\n".join(sections), re.MULTILINE)
    return {name: " ".join(doc.split()) for name, doc in entries}
