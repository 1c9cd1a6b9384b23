"""A browser session on the atlas that records all errors and forbidden events."""

from __future__ import annotations

from pathlib import Path


class Reader:
    """A page of the atlas, opened from disk.

    Attributes:
        page: of playwright.
        made: the artefacts that the page was built from.
        problems: errors and warnings on the console.
        requests: everything asked for.
    """

    def __init__(self, browser, path: Path, made: dict, hash_: str = "", **options) -> None:
        options = {"viewport": {"width": 1280, "height": 720}, **options}
        self.context = browser.new_context(accept_downloads=True, **options)
        self.path, self.made = path, made
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.context.route(lambda url: not url.startswith(("file:", "blob:")), lambda route: route.abort())
        self.page = self.context.new_page()
        self.page.set_default_timeout(20000)
        self.page.on("console", lambda m: self.problems.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri() + hash_, timeout=40000)
        self.wait()

    def wait(self) -> None:
        self.page.wait_for_selector("html[data-ready]", timeout=40000)

    @property
    def address(self) -> str:
        return self.page.evaluate("location.hash")

    @property
    def count(self) -> int:
        return int(self.page.inner_text("#count").split(" ")[0].replace(",", ""))

    @property
    def text(self) -> str:
        return self.page.evaluate("document.getElementById('the-text')?.textContent ?? ''")

    def listed(self) -> list[int]:
        """Indices of the rows that the list has drawn."""
        return self.page.evaluate("[...document.querySelectorAll('.list-row')].map((row) => Number(row.dataset.i))")

    def settled(self) -> None:
        """Until the address holds what was chosen last."""
        self.page.wait_for_timeout(260)

    def show(self, view: str) -> None:
        self.page.click(f"#tab-{view}")
        self.page.wait_for_selector(f"#view-{view}:visible")

    def check(self) -> None:
        """Nothing complained, and nothing was asked for beside the file itself."""
        assert self.problems == []
        asked = [url.split("#")[0] for url in self.requests if not url.startswith("blob:")]
        assert set(asked) == {self.path.as_uri()}
