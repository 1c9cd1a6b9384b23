"""One person's browser profile in a Chromium on the labelling page."""

from __future__ import annotations

from pathlib import Path


class Desk:
    """One person's browser profile at the page; collects everything that should not happen."""

    def __init__(self, browser, path: Path, **options) -> None:
        self.context = browser.new_context(accept_downloads=True, **options)
        self.path = path
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.open()

    def open(self) -> None:
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)  # a busy machine is slow
        self.page.on("console", lambda m: self.problems.append(m.text) if m.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(self.path.as_uri())

    def start(self, name: str = "Ann") -> None:
        self.page.fill("#name", name)
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector("#card")

    def reopen(self) -> None:
        self.page.close()
        self.open()

    @property
    def text(self) -> str:
        return self.page.evaluate("document.getElementById('text').textContent")

    def download(self, folder: Path) -> Path:
        with self.page.expect_download() as waiting:
            self.page.locator("[data-do=download]:visible").click()
        path = folder / waiting.value.suggested_filename
        waiting.value.save_as(path)
        return path

    def check(self) -> None:
        """Nothing complained, nothing was requested beside the file itself and its own download."""
        assert self.problems == []
        assert [url for url in self.requests if not url.startswith(("file:", "blob:"))] == []
        assert {url for url in self.requests if url.startswith("file:")} == {self.path.as_uri()}
