"""The pictures on the page about heads: their names in `words`, and one head's attention beside its effect.

    python docs/head_pictures.py

Needs Playwright and a Chromium (in `SONDE_CHROMIUM`, or on the path).
"""

import os
import shutil
import tempfile
from pathlib import Path

import sonde
from sonde import views
from sonde.results.document import Document, Section

HERE = Path(__file__).parent / "images"
TEXT = "When Mary and John went to the shop, John gave a book to"


def main() -> None:
    """Write `docs/images/drawing-heads.png` and `drawing-effects.png`."""
    from playwright.sync_api import sync_playwright

    model = sonde.load("specimen:words")
    effects = sonde.weights.head_effects(model, TEXT, target=" Mary")
    kinds = {"heads": sonde.weights.label_heads(model).drawing(), "effects": effects.at_place(effects.strongest(1)[0])}
    document = Document("Heads", sections=[Section(key, key, drawings=[one]) for key, one in kinds.items()])
    chromium = os.environ.get("SONDE_CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "page.html"
        file.write_text(views.page(document), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        page = browser.new_page(viewport={"width": 1080, "height": 900}, color_scheme="light")
        page.goto(file.as_uri())
        for kind in kinds:
            page.locator(f"#section-{kind} figure").first.screenshot(path=HERE / f"drawing-{kind}.png")
        browser.close()


if __name__ == "__main__":
    main()
