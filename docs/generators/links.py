"""Links of documents to other files of the repository, as links of the site."""

from __future__ import annotations

import os
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]*)\]\((?P<target>[^)#\s:]+)(?P<anchor>#[^)\s]*)?\)")
"""A link to a file of the repository; addresses with a scheme are none."""

PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "generated/changelog.md",
    "SECURITY.md": "generated/security.md",
    "vos/data/corpus/everyday/DATASHEET.md": "generated/datasheets/everyday.md",
    "vos/data/corpus/ladder/DATASHEET.md": "generated/datasheets/ladder.md",
    "vos/data/corpus/ood/DATASHEET.md": "generated/datasheets/ood.md",
    "examples": "library.md",
}
"""Files of the repository outside of docs/, with the page of the site that shows them."""


def site_links(text: str, source: Path, page: Path) -> str:
    """The text of a document with its links as the site needs them.

    A folder, which the site does not show, becomes plain text; every other file that is no page can be downloaded.
    What is missing is left for Sphinx to complain about.

    Args:
        text: Markdown.
        source: the file that it comes from, to which its links are relative.
        page: the file of the site that shows it.

    Example:
        >>> site_links("[a](docs/files.md#labels), [b](docs/results/)", ROOT / "CHANGELOG.md", DOCS / "x/changelog.md")
        '[a](../files.md#labels), b'
    """

    def linked(match: re.Match[str]) -> str:
        target = (source.parent / match["target"]).resolve()
        if not target.is_relative_to(ROOT) or not target.exists():
            return match[0]
        known = PAGES.get(target.relative_to(ROOT).as_posix())
        if known is None and target.is_dir():
            return match["text"]
        place = os.path.relpath(DOCS / known if known else target, page.parent)
        return f"[{match['text']}]({Path(place).as_posix()}{match['anchor'] or ''})"

    return LINK.sub(linked, text)
