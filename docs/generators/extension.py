"""The part of the site that is no page: a Sphinx extension that generates pages, mends links and joins names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.domains.python import PythonDomain
from sphinx.environment import BuildEnvironment
from sphinx.util.logging import getLogger

from docs.generators import api, formats, notebook, pictures, settings
from docs.generators.links import DOCS, PAGES, ROOT, site_links

logger = getLogger(__name__)

GENERATED = DOCS / "generated"


def generate(_: Sphinx) -> None:
    """Write the pages that come from the source; those of an earlier build that are no more are removed."""
    copied = {ROOT / source: DOCS / page for source, page in PAGES.items() if page.startswith("generated/")}
    pages: dict[Path, str | bytes] = {
        page: site_links(source.read_text("utf-8"), source, page) for source, page in copied.items()
    }
    pages |= {GENERATED / f"settings/{name}.md": settings.page(name) for name in settings.PROGRAMS}
    pages |= {GENERATED / f"api/{name}.rst": text for name, text in api.pages()}
    pages |= {GENERATED / "fields.md": formats.page()}
    pages |= {GENERATED / f"{name}.svg": text for name, text in pictures.pictures()}
    pages |= dict(notebook.pages(GENERATED / "notebooks"))
    for old in GENERATED.rglob("*"):
        if old.is_file() and old not in pages:
            old.unlink()
    for path, text in pages.items():
        _write(path, text)


def mend_links(app: Sphinx, page: str, content: list[str]) -> None:
    """Links of a document to the repository, as links of the site."""
    path = Path(app.env.doc2path(page))
    if path.suffix == ".md" and not path.is_relative_to(GENERATED):
        content[0] = site_links(content[0], path, path)


def restructure(*given: Any) -> None:
    """A docstring, whose lines come last, before Google's sections are read."""
    lines = given[-1]
    lines[:] = api.restructured("\n".join(lines)).splitlines()


def find_name(app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.Element) -> nodes.Node | None:
    """A name without its module, or with the module that defines it, where one public object alone has it.

    A page that names what is not public is told.
    """
    if node.get("refdomain") != "py":
        return None
    domain = env.domains.python_domain
    assert isinstance(domain, PythonDomain)  # noqa: S101 - its own name
    wanted = str(node["reftarget"]).rpartition(".")[2]
    own = (name for name, entry in domain.objects.items() if name.startswith("vos.") and not entry.aliased)
    found = [name for name in own if name.rpartition(".")[2] == wanted]
    found = [name for name in found if name.rpartition(".")[0] not in domain.objects] or found  # no members of classes
    if len(found) != 1:
        if not str(node["refdoc"]).startswith("generated/api/"):  # a docstring's code need not be a name
            logger.warning("no public name %s", node["reftarget"], location=node)
        return None
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", found[0], node, text)


def _write(path: Path, content: str | bytes) -> None:
    """Only where it changes, so that Sphinx reads again what is new alone."""
    data = content.encode() if isinstance(content, str) else content
    if not path.is_file() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("builder-inited", generate)
    app.connect("source-read", mend_links)
    app.connect("autodoc-process-docstring", restructure, priority=100)
    app.connect("missing-reference", find_name)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
