"""The picture in the docs on probes: a property of the small world, by layer.

    python docs/probe_pictures.py

Needs Playwright and a Chromium (in `SONDE_CHROMIUM`, or on the path).
"""

import os
import shutil
import tempfile
from pathlib import Path

import sonde
from sonde import views
from sonde.probing import sweep, words
from sonde.results.document import Document, Section

FILE = Path(__file__).parent / "images" / "drawing-probes.png"
PROPERTY, DOCUMENTS = "after a plural subject", 1000


def main() -> None:
    """Write `docs/images/drawing-probes.png`."""
    from playwright.sync_api import sync_playwright

    found = sweep(sonde.load("specimen:words"), words(PROPERTY, n=DOCUMENTS), progress=True)
    document = Document("Probes", sections=[Section("probes", "probes", drawings=[found.drawing()])])
    chromium = os.environ.get("SONDE_CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "page.html"
        file.write_text(views.page(document), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        page = browser.new_page(viewport={"width": 1080, "height": 900}, color_scheme="light")
        page.goto(file.as_uri())
        page.locator("#section-probes figure").screenshot(path=FILE)
        browser.close()
    print(f"{FILE.name}: {FILE.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
