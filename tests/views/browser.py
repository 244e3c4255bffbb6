"""One Chromium for all tests of the drawings, and a page that notices whatever must not happen."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from sonde.views import BundleMissing
from sonde.views.assets import asset

ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


class Watched:
    """A page with a record of errors and requests."""

    def __init__(self, page: Page, folder: Path) -> None:
        self.page, self.folder = page, folder
        self.mishaps: list[str] = []
        page.set_default_timeout(120_000)  # the machine may be busy
        page.on("console", lambda message: self.mishaps.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: self.mishaps.append(f"error: {error}"))
        page.on("request", lambda request: self._note_request(request.url))

    def _note_request(self, url: str) -> None:
        if not url.startswith((self.folder.as_uri(), "data:", "blob:", "about:srcdoc")):
            self.mishaps.append(f"request: {url}")

    def open(self, source: str, *, scheme: str = "light", width: int = 1280) -> Page:
        """Load HTML as a file, as a reader would."""
        self.mishaps.clear()
        path = self.folder / "drawn.html"
        path.write_text(source, encoding="utf-8")
        self.page.emulate_media(color_scheme=scheme, media="screen")
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.mouse.move(0, 0)
        self.page.goto(path.as_uri())
        return self.page

    def settle(self) -> None:
        """Wait until what a resize redraws is drawn."""
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


@contextmanager
def chromium(folder: Path, bundle: str = "sonde.js") -> Iterator[Watched]:
    """Give the one page; skip with the reason where there is no browser or no bundle."""
    program = os.environ.get("SONDE_CHROMIUM") or shutil.which("chromium")
    if not program:
        pytest.skip("no Chromium: install it or name it in SONDE_CHROMIUM")
    try:
        asset(bundle)
    except BundleMissing as missing:
        pytest.skip(str(missing))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield Watched(browser.new_page(accept_downloads=True), folder)
        browser.close()
