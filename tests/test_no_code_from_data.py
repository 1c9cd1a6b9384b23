"""A scan of the source: nothing in the package unpickles, evaluates, or executes data."""

import ast

import pytest

from tests.conftest import ROOT

SOURCES = sorted((ROOT / "vos").rglob("*.py"))
NEEDED = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
    "trainer.fit": ("weights_only", True),
}
"""Calls that read pickles unless an argument says otherwise; `from_pretrained` is looked at by its name alone."""

FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load"}
FORBIDDEN_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
ALLOWED = {("checkpoint.py", "pickle")}
"""For the error that a refused pickle raises."""


def calls():
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                yield path, node, ast.unparse(node.func)


def told(node, name):
    """The constant that a keyword has, also by way of `**own`; None where it is not told."""
    return next((each.value.value for each in node.keywords if each.arg == name and hasattr(each.value, "value")), None)


def test_what_could_read_a_pickle_is_told_not_to():
    seen = []
    for path, node, name in calls():
        if name in NEEDED:
            argument, value = NEEDED[name]
            assert told(node, argument) is value, f"{path}:{node.lineno}: {name} without {argument}={value}"
            seen.append(name)
    assert {"torch.load", "np.load", "trainer.fit"} <= set(seen)


def test_no_model_brings_code():
    seen = 0
    for path, node, name in calls():
        if name.endswith(".from_pretrained"):
            source = path.read_text("utf-8")
            assert told(node, "trust_remote_code") is False or '"trust_remote_code": False' in source, path
            seen += 1
    assert seen >= 5
    assert not [path for path in SOURCES if "trust_remote_code=True" in path.read_text("utf-8")]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_nothing_is_evaluated_or_unpickled(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in FORBIDDEN_CALLS, f"{path}:{node.lineno}"
            assert told(node, "shell") is not True, f"{path}:{node.lineno}"
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
        found = {name.split(".")[0] for name in names} & FORBIDDEN_MODULES
        assert not {name for name in found if (path.name, name) not in ALLOWED}, f"{path}:{node.lineno}"


def test_servers_of_this_package_are_none():
    """Nothing in the package listens: servers are other programs, and the tests' own bind to 127.0.0.1."""
    for path, node, name in calls():
        listens = name.endswith((".listen", ".bind", "Server", "create_server")) and name != "LanguageModelServer"
        assert not listens, f"{path}:{node.lineno}: {name}"
