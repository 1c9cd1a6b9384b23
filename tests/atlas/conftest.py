"""Fixtures: a browser for the atlas, and artefacts from which to build it."""

from __future__ import annotations

import pytest

from tests.atlas.artefacts import write_artefacts
from tests.atlas.reader import Reader
from tests.browser import axe, browser  # noqa: F401
from vos.atlas.build import AtlasPageSettings, build_atlas


@pytest.fixture
def reader(browser, tmp_path):
    """Builds a page and opens it over `file://`, every other request aborted; checks at the end that there was none."""
    open_ones = []

    def open_page(n=60, *, hash_="", blind=False, title="Boundary atlas", options=None, quiet=True, **artefacts):
        made = write_artefacts(tmp_path / "atlas", n, **artefacts)
        path = build_atlas(tmp_path / "atlas", tmp_path / "atlas.html", AtlasPageSettings(title, blind))
        open_ones.append((Reader(browser, path, made, hash_, **(options or {})), quiet))
        return open_ones[-1][0]

    yield open_page
    for each, quiet in open_ones:
        each.context.close()
        if quiet:
            each.check()
