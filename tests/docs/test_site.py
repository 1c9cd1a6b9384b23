"""The site: it builds without warnings, its links work, and its lists are complete."""

import doctest
import importlib
import os
import re
import subprocess
import sys
from fnmatch import fnmatch
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from omegaconf import OmegaConf

import vos
from docs.generators import pictures, settings
from docs.generators.api import PARTS, public
from tests.conftest import ROOT
from vos.cli.compose import composed

LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
"""Elements that a browser loads by itself; of links only styles, icons and the like."""

CODE = ("code", "pre", "script", "style", "svg")
"""What stands in them is no prose."""


class Page(HTMLParser):
    """Ids, links and loaded files of a page."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.loaded = set(), [], []
        self.inside, self.tags, self.prose, self.lists = [], [], [], []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append(tag)
        self.lists += [values.get("class") or ""] * (tag == "ol")
        self.inside += [tag] * (tag in CODE)
        if values.get("id"):
            self.ids.add(values["id"])
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        if tag in LOADED and values.get(LOADED[tag]):
            self.loaded.append(values[LOADED[tag]])

    def handle_endtag(self, tag):
        if tag in CODE:
            self.inside.remove(tag)

    def handle_data(self, data):
        if not self.inside:
            self.prose.append(data)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "-d", str(folder / "doctrees"), "docs"]
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
    }
    done = subprocess.run([*command, str(folder / "html")], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stderr == ""
    return {path: Page(path) for path in (folder / "html").rglob("*.html")}


@pytest.mark.slow
def test_every_link_and_anchor_leads_somewhere(site):
    assert len(site) > 40
    broken = []
    for path, page in site.items():
        for link in page.links + page.loaded:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = Path(os.path.normpath(path.parent / unquote(parts.path))) if parts.path else path
            anchors = site[target].ids if target in site else set()
            if not target.exists() or (parts.fragment and target in site and unquote(parts.fragment) not in anchors):
                broken.append(f"{path.name}: {link}")
    assert broken == []


@pytest.mark.slow
def test_no_page_loads_anything_from_the_network(site):
    loaded = {link for page in site.values() for link in page.loaded}
    assert len(loaded) > 5
    assert [link for link in loaded if urlsplit(link).scheme not in ("", "data") or urlsplit(link).netloc] == []
    folder = next(path for path in site if path.name == "genindex.html").parent
    styles = "".join(path.read_text("utf-8") for path in folder.rglob("*.css"))
    assert re.findall(r"(?:@import|url\()\s*[\"']?https?:[^)\"']*", styles) == []


@pytest.mark.slow
def test_pages_have_one_title_and_show_no_markup(site):
    own = {path: page for path, page in site.items() if path.name not in ("genindex.html", "search.html")}
    assert [path.name for path, page in own.items() if page.tags.count("h1") != 1] == []
    shown = {path.name: re.findall(r"\]\(|```|:::", "".join(page.prose)) for path, page in own.items()}
    assert {name: marks for name, marks in shown.items() if marks} == {}
    # An argument that is told by a letter is no list.
    lettered = [path.name for path, page in own.items() if any("alpha" in each for each in page.lists)]
    assert lettered == []


@pytest.mark.slow
def test_no_page_is_wider_than_the_window(site, browser):
    names = ("RESULTS.html", "made_texts.html", "files.html", "command_line.html")
    assert sum(path.name in names for path in site) == len(names)
    wide = []
    tab = browser.new_page()
    for path in site:
        tab.goto(path.as_uri(), wait_until="domcontentloaded")
        for width in (390, 800, 1024, 1100, 1440) if path.name in names else (390,):
            tab.set_viewport_size({"width": width, "height": 900})
            if (found := tab.evaluate("document.documentElement.scrollWidth")) > width:
                wide.append(f"{path.name}: {found} at {width}")
    tab.close()
    assert wide == []


@pytest.mark.slow
def test_every_public_name_has_an_entry(site):
    ids = {each for page in site.values() for each in page.ids}
    assert [name for name in vos.__all__ if f"vos.{name}" not in ids] == []
    own = [(part, name) for part in PARTS for name in public(f"vos.{part}")]
    top = {id(getattr(vos, name)) for name in vos.__all__}
    missing = [
        f"vos.{part}.{name}"
        for part, name in own
        if f"vos.{part}.{name}" not in ids and id(getattr(importlib.import_module(f"vos.{part}"), name)) not in top
    ]
    assert missing == []


@pytest.mark.parametrize("program", settings.PROGRAMS)
def test_every_setting_is_listed_with_its_default(program):
    whole = OmegaConf.to_container(composed(program), resolve=False)
    listed = {each.name: each.default for each in settings.program_settings(program)}
    for group, option in settings.group_defaults(program).items():
        if option and group not in settings.PLAIN_GROUPS:
            listed |= {each.name: each.default for each in settings.option_settings(program, group, option)}
    assert dict(leaves(whole, "")) == listed


def leaves(node, path):
    for key, value in node.items():
        if str(key).startswith("_"):
            continue
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", settings._shown(value)


def test_the_reference_gives_values_and_meanings():
    found = {each.name: each for each in settings.option_settings("train", "outliers", "tail")}
    assert found["outliers.distance"].default == "0.999"
    assert "(0, 1)" in found["outliers.distance"].values + found["outliers.distance"].meaning
    every = [
        each
        for program in settings.PROGRAMS
        for group, option in settings.group_defaults(program).items()
        if option and group not in settings.PLAIN_GROUPS
        for each in settings.option_settings(program, group, option)
    ]
    assert [each.name for each in every if not each.meaning] == []


def test_the_picture_of_the_layers_shows_every_part_of_the_package():
    drawn = {name for layer in pictures.layers() for name in layer}
    assert drawn == set(pictures.ABOUT)
    assert {f">{name}</text>" in pictures.house() for name in drawn} == {True}


def test_every_page_stands_in_a_list():
    docs = ROOT / "docs"
    lists = [docs / "index.md", docs / "reference/datasheets.md"]
    entries = [
        os.path.normpath(os.path.join(path.parent.relative_to(docs), entry.strip()))
        for path in lists
        for block in re.findall(r"^```\{toctree\}\n(.*?)^```", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)
        for entry in block.splitlines()
        if entry and not entry.startswith(":")
    ]
    pages = {path.relative_to(docs).with_suffix("").as_posix() for path in docs.rglob("*.md")} - {"index"}
    pages = {page for page in pages if not page.startswith("generated/")}
    assert len(pages) > 30
    assert [page for page in sorted(pages) if not any(fnmatch(page, entry) for entry in entries)] == []


def test_the_examples_of_the_generators_are_right():
    names = ["api", "links", "markdown", "ranges"]
    results = [doctest.testmod(importlib.import_module(f"docs.generators.{name}")) for name in names]
    assert all(each.attempted and not each.failed for each in results)
