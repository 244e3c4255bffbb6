"""The pictures in the docs on probes and on taking concepts out: a property of the small world by layer, and what is lost without three of them.

    python docs/probe_pictures.py

Needs Playwright and a Chromium (in `SONDE_CHROMIUM`, or on the path).
"""

import os
import shutil
import tempfile
from pathlib import Path

import sonde
from sonde import views
from sonde.probing import Labelled, amnesic, sweep, words
from sonde.results.document import Document, Section
from sonde.results.drawing import Drawing
from sonde.specimens.words import documents

HERE = Path(__file__).parent / "images"
PROPERTY, DOCUMENTS = "after a plural subject", 1000


def removed(model: sonde.Model) -> Drawing:
    """What agreement costs without the number of the subject, and without two other properties of the prompts."""
    known = [document for document in documents("agreement", n=300, seed=5) if document.truth.number]
    texts = [document.prompt for document in known]
    properties = {
        "number of the subject": [document.truth.number for document in known],
        "article": ["the" if text.startswith("The ") else "another" for text in texts],
        "length of the prompt": ["long" if len(text.split()) > 4 else "short" for text in texts],
    }
    task = sonde.tasks.load("agreement", model, n=48, seed=3)
    labelled = {name: Labelled.of(texts, labels, name) for name, labels in properties.items()}
    return amnesic(model, labelled, task, "blocks.3.resid_post", progress=True).drawing()


def main() -> None:
    """Write `docs/images/drawing-probes.png` and `drawing-amnesic.png`."""
    from playwright.sync_api import sync_playwright

    model = sonde.load("specimen:words")
    kinds = {"probes": sweep(model, words(PROPERTY, n=DOCUMENTS), progress=True).drawing(), "amnesic": removed(model)}
    document = Document("Probes", sections=[Section(key, key, drawings=[one]) for key, one in kinds.items()])
    chromium = os.environ.get("SONDE_CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "page.html"
        file.write_text(views.page(document), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        page = browser.new_page(viewport={"width": 1080, "height": 900}, color_scheme="light")
        page.goto(file.as_uri())
        for key in kinds:
            file = HERE / f"drawing-{key}.png"
            page.locator(f"#section-{key} figure").screenshot(path=file)
            print(f"{file.name}: {file.stat().st_size // 1024} kB")
        browser.close()


if __name__ == "__main__":
    main()
