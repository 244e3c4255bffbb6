"""The pictures in the docs on weights: skip-trigrams, composition of the planted pair, and paths by order.

    python docs/weight_pictures.py

Needs Playwright and a Chromium (in `SONDE_CHROMIUM`, or on the path).
"""

import os
import shutil
import tempfile
from pathlib import Path

import sonde
from sonde import views
from sonde.results.document import Document, Section
from sonde.specimens import compiled
from sonde.specimens.words import documents
from sonde.weights import composition, path_importance, skip_trigrams

HERE = Path(__file__).parent / "images"


def main() -> None:
    """Write `docs/images/weights-trigrams.png`, `weights-composition.png` and `weights-paths.png`."""
    from playwright.sync_api import sync_playwright

    program = compiled.induction()
    planted, model = sonde.load(program.model, program.tokenizer), sonde.load("specimen:words")
    texts = [document.text for document in documents(n=60, seed=0)]
    kinds = {
        "trigrams": skip_trigrams(model, layers=[0, 1], k=8, near=4, texts=texts).drawing(),
        "composition": composition(planted).drawing(),
        "paths": path_importance(model, texts[:8]).drawing(),
    }
    document = Document("Weights", sections=[Section(key, key, drawings=[one]) for key, one in kinds.items()])
    chromium = os.environ.get("SONDE_CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "page.html"
        file.write_text(views.page(document), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        page = browser.new_page(viewport={"width": 1080, "height": 900}, color_scheme="light")
        page.goto(file.as_uri())
        for key in kinds:
            file = HERE / f"weights-{key}.png"
            page.locator(f"#section-{key} figure").first.screenshot(path=file)
            print(f"{file.name}: {file.stat().st_size // 1024} kB")
        browser.close()


if __name__ == "__main__":
    main()
