"""Every command and every Python example in the documents."""

import importlib.util
import re
import shlex
from functools import cache

import pytest

from docs.generators import settings
from tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted(path for path in (ROOT / "docs").rglob("*.md") if "generated" not in path.parts)]
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
PROGRAM = re.compile(
    r"(?:python (train|synthesize)\.py|python -m vos (train|synthesize|atlas)|vos-(train|synthesize|atlas))\b"
)
HYDRA = ("hydra", "experiment", "sweep")


def blocks(path, *languages):
    return [text for _, language, text in BLOCK.findall(path.read_text("utf-8")) if language in languages]


def commands(path):
    """Lines of the blocks that are commands, those that go on in the next line joined, comments left out."""
    lines = "\n".join(blocks(path, "", "sh", "bash", "console")).replace("\\\n", " ").splitlines()
    return [re.sub(r"\s#\s.*", "", line).strip() for line in lines]


@cache
def option_names(program, group, option):
    return {each.name for each in settings.option_settings(program, group, option)}


@cache
def groups_of(program):
    return settings.group_defaults(program)


def known_settings(program, chosen):
    """Names of all settings of a program, of the options that were chosen, or of all where none was."""
    names = {each.name for each in settings.program_settings(program)}
    for group in groups_of(program):
        if group not in HYDRA:
            options = [chosen[group]] if group in chosen else options_of(group)
            names |= {name for option in options for name in option_names(program, group, option)}
    return names


def options_of(group):
    return sorted(path.stem for path in (ROOT / "conf" / group).glob("*.yaml"))


def wrong(program, arguments):
    """Arguments of a command that the program does not know."""
    given = dict(each.lstrip("+").split("=", 1) for each in arguments if "=" in each and not each.startswith("-"))
    groups = {
        name: value for name, value in given.items() if (ROOT / "conf" / name).is_dir() and name in groups_of(program)
    }
    chosen = {name: value for name, value in groups.items() if value in options_of(name)}
    bad = [
        f"{name}={value}"
        for name, value in groups.items()
        if name not in chosen and not set("|,") & set(value) and value != "null"
    ]
    known = known_settings(program, chosen)
    parts = {name.rsplit(".", n)[0] for name in known for n in range(1, 5)}
    for name in given.keys() - groups.keys():
        free = any(name.startswith(f"{each}.") for each in ("hydra", "trainer.lightning")) or name == "hydra/launcher"
        if not free and name not in known | parts and name.rsplit(".", 1)[0] not in known:
            bad.append(name)
    return bad


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_setting_of_a_command_exists(path):
    for line in commands(path):
        found = PROGRAM.search(line)
        if found and "|" not in line:
            arguments = shlex.split(line[found.end() :])
            assert wrong(next(filter(None, found.groups())), arguments) == [], line


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_target_module_and_file_that_is_run_exists(path):
    targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for line in commands(path):
        if found := re.match(r"make ([\w-]+)", line):
            assert found[1] in targets, line
        if found := re.search(r"python -m (benchmarks[\w.]*)", line):
            assert importlib.util.find_spec(found[1].rstrip(".")), line
        if found := re.search(r"python (examples/\w+\.py)", line):
            assert (ROOT / found[1]).exists(), line


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_piece_of_python_can_be_compiled(path):
    for text in blocks(path, "python"):
        compile(text, str(path), "exec")


def test_a_wrong_command_is_noticed():
    assert wrong("train", ["outliers=tail", "outliers.distance=0.9", "seed=1", "experiment=frozen"]) == []
    assert wrong("train", ["outliers=tail", "outliers.margin=0.9"]) == ["outliers.margin"]
    assert wrong("train", ["outliers=tails", "sed=1"]) == ["outliers=tails", "sed"]
    assert wrong("synthesize", ["run=RUN", "labeling=label_studio", "labeling.url=http://localhost:8080"]) == []
