"""Every dependency is listed in docs/licences.md with its licence; no dependency is under the GPL or AGPL."""

import re
import tomllib
from importlib import metadata

import pytest
from packaging.requirements import Requirement

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
TABLE = re.findall(r"^\| ([\w-]+) \| (.+?) \| .+ \|$", (ROOT / "docs/licences.md").read_text("utf-8"), re.MULTILINE)
FAMILIES = {
    "MIT": "MIT", "BSD": "BSD", "Apache": "Apache", "MPL": "MPL|Mozilla", "LGPL": "LGPL|Lesser General",
    "Python Software Foundation": "Python Software Foundation", "CNRI": "CNRI",
}  # fmt: skip
COPYLEFT = r"\bA?GPL|(Affero|GNU) General Public|Lesser General|LGPL"
OPTIONAL_COPYLEFT = {"hanta"}
FOR_DEVELOPERS = ("dev", "docs")
"""Extras that nobody needs who uses the package; below `docs` stands docutils, one file of which is under the GPL."""


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


LISTED = {plain(name): licence for name, licence in TABLE if name != "package"}


def told(name: str) -> str | None:
    """What an installed package says of its licence; "" where it says nothing, None where it is not installed."""
    try:
        found = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    kinds = [each for each in found.get_all("Classifier") or [] if each.startswith("License ::")]
    text = (found.get("License") or "").strip().splitlines()
    # Whole texts of licences name other licences too; their first line names their own.
    return " ".join([found.get("License-Expression") or "", text[0][:120] if text else "", *kinds]).strip()


def asked_for(without: tuple[str, ...] = ()) -> dict[str, Requirement]:
    extras = {name: lines for name, lines in PROJECT["optional-dependencies"].items() if name not in without}
    groups = [PROJECT["dependencies"], *extras.values()]
    found = [Requirement(line) for group in groups for line in group]
    return {plain(each.name): each for each in found if each.name != PROJECT["name"]}


def everything_below(without: tuple[str, ...] = ()) -> set[str]:
    """Names of the packages that all extras but these ask for, and of those that they ask for, and so on."""
    done: set[str] = set()
    waiting = [(name, frozenset(each.extras)) for name, each in asked_for(without).items()]
    while waiting:
        name, extras = waiting.pop()
        if name in done:
            continue
        done.add(name)
        try:
            lines = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for each in map(Requirement, lines):
            if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                waiting.append((plain(each.name), frozenset(each.extras)))
    return done


def test_every_dependency_is_listed_and_no_other():
    assert set(LISTED) == set(asked_for())


@pytest.mark.parametrize("name", sorted(LISTED))
def test_the_table_says_what_the_package_says(name):
    said = told(name)
    if not said:  # not installed here, or silent
        assert LISTED[name]
        return
    known = [family for family, pattern in FAMILIES.items() if re.search(pattern, said)]
    assert known, f"{name} says {said!r}"
    assert any(family in LISTED[name] for family in known), f"{name} says {said!r}, the table {LISTED[name]!r}"


def copyleft(names: set[str]) -> dict[str, str]:
    return {name: said for name in names if (said := told(name)) and re.search(COPYLEFT, said)}


def test_no_package_below_is_under_the_gpl():
    below = everything_below(FOR_DEVELOPERS)
    assert len(below) > 80
    assert copyleft(below).keys() <= OPTIONAL_COPYLEFT
    assert copyleft(everything_below()).keys() <= OPTIONAL_COPYLEFT | {"docutils"}


def test_the_one_copyleft_package_is_optional_and_said_to_be():
    assert "LGPL" in LISTED["hanta"]
    extras = {
        name for name, lines in PROJECT["optional-dependencies"].items() for line in lines if line.startswith("HanTa")
    }
    assert extras == {"pos"}
    assert not any(line.startswith("HanTa") for line in PROJECT["dependencies"])
