"""Photographs of drawings for the pages in docs: the scripts beside this one make the drawings, Chromium takes the pictures."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from sonde import views
from sonde.results.document import Document, Section
from sonde.results.drawing import Drawing

HERE = Path(__file__).parent / "images"


def photographed(kinds: Mapping[str, Drawing], prefix: str = "drawing", width: int = 1080) -> None:
    """Write `docs/images/{prefix}-{name}.png` of each drawing, in the light colours.

    Arguments:
        kinds: drawings by name.
        prefix: of the files.
        width: of the window, in pixels.
    """
    from playwright.sync_api import sync_playwright

    document = Document("Drawings", sections=[Section(key, key, drawings=[one]) for key, one in kinds.items()])
    chromium = os.environ.get("SONDE_CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "page.html"
        file.write_text(views.page(document), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme="light")
        page.goto(file.as_uri())
        for key in kinds:
            picture = HERE / f"{prefix}-{key}.png"
            page.locator(f"#section-{key} figure").first.screenshot(path=picture)
            print(f"{picture.name}: {picture.stat().st_size // 1024} kB")
        browser.close()
