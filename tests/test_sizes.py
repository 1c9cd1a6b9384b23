"""Limits on the sizes of files and functions, and independence of test modules."""

import ast
import re

import pytest

from tests.conftest import ROOT

CODE = sorted(path for folder in ("vos", "benchmarks", "examples") for path in (ROOT / folder).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def body_lines(node):
    """Lines of a function from its first statement on, its docstring left out."""
    body = node.body[1:] if ast.get_docstring(node) else node.body
    return 0 if not body else body[-1].end_lineno - body[0].lineno + 1


@pytest.mark.parametrize(("paths", "most"), [(CODE, 300), (TESTS, 400)], ids=["code", "tests"])
def test_no_file_is_too_long(paths, most):
    assert len(paths) > 40
    assert {path.name: n for path in paths if (n := len(path.read_text("utf-8").splitlines())) > most} == {}


def test_no_body_is_too_long():
    functions = [
        (path, node)
        for path in CODE
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef)
    ]
    assert len(functions) > 800
    assert {f"{path.name}:{node.name}": n for path, node in functions if (n := body_lines(node)) > 50} == {}


def test_no_test_module_imports_another():
    pattern = re.compile(r"^\s*(?:from|import) tests\b.*\btest_\w+", re.MULTILINE)
    assert [path.name for path in TESTS if pattern.search(path.read_text("utf-8"))] == []
