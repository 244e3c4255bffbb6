"""The pictures in the docs on lenses: a prompt by layer, a tuned lens, value vectors, a question, all of the specimen.

    python docs/lens_pictures.py

Needs Playwright and a Chromium (in `SONDE_CHROMIUM`, or on the path).
"""

import os
import shutil
import tempfile
from pathlib import Path

import sonde
from sonde import lens, views
from sonde.results.document import Document, Section
from sonde.results.drawing import Drawing
from sonde.specimens.words import documents

HERE = Path(__file__).parent / "images"
PROMPT = "When Mary and John went to the shop, John gave a book to"


def tuned(model: sonde.Model) -> Drawing:
    """The divergence of a lens trained on 400 documents, on 24 others."""
    texts = [document.text for document in documents(n=424, seed=0)]
    made = lens.train(model, texts[:400], lens.TunedTraining(steps=60, tokens=512, lr=5e-3))
    return lens.judge(model, made, texts[400:]).drawing()


def main() -> None:
    """Write `docs/images/drawing-halves.png`, `drawing-tuned.png`, `drawing-values.png` and `drawing-question.png`."""
    from playwright.sync_api import sync_playwright

    model = sonde.load("specimen:words")
    questions = lens.questions(sonde.tasks.load("capital", model, n=24), "country")
    kinds = {
        "halves": lens.logit_lens(model, PROMPT, read="halves").drawing(),
        "tuned": tuned(model),
        "values": lens.value_vectors(model, layers=[3], k=8).drawing(),
        "question": lens.answer_course(model, questions).drawing(),
    }
    document = Document("Lenses", sections=[Section(key, key, drawings=[one]) for key, one in kinds.items()])
    chromium = os.environ.get("SONDE_CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "page.html"
        file.write_text(views.page(document), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        page = browser.new_page(viewport={"width": 1080, "height": 900}, color_scheme="light")
        page.goto(file.as_uri())
        for key in kinds:
            file = HERE / f"drawing-{key}.png"
            page.locator(f"#section-{key} figure").first.screenshot(path=file)
            print(f"{file.name}: {file.stat().st_size // 1024} kB")
        browser.close()


if __name__ == "__main__":
    main()
