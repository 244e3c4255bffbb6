"""The pictures in the docs on superposition: dimensionality by sparsity, what interferes, the phase diagram, a basis beside its rotations.

    python docs/superposition_pictures.py

Needs Playwright and a Chromium (in `SONDE_CHROMIUM`, or on the path).
"""

import os
import shutil
import tempfile
from pathlib import Path

import sonde
from sonde import superposition, views
from sonde.results.document import Document, Section
from sonde.results.drawing import Drawing
from sonde.specimens.words import documents
from sonde.superposition import ToyTraining

HERE = Path(__file__).parent / "images"


def drawings() -> dict[str, Drawing]:
    """By the name of their file."""
    toys = superposition.toy_models(sparsity=(0.0, 0.5, 0.7, 0.9), linear=False, config=ToyTraining(steps=800, batch=128, seeds=6))
    phases = superposition.phase_diagram(config=ToyTraining(steps=500, batch=96, seeds=3))
    model = sonde.load("specimen:words-small")
    basis = superposition.privileged_basis(model, [document.text for document in documents(n=60)], rotations=20)
    return {
        "dimensionality": toys.by_sparsity(),
        "interference": toys.interference(3),
        "phases": phases.drawing(),
        "basis": basis.drawing(),
    }


def main() -> None:
    """Write `docs/images/drawing-{name}.png` of each."""
    from playwright.sync_api import sync_playwright

    found = drawings()
    document = Document("Superposition", sections=[Section(key, key, drawings=[one]) for key, one in found.items()])
    chromium = os.environ.get("SONDE_CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        file = Path(folder) / "page.html"
        file.write_text(views.page(document), encoding="utf-8")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        page = browser.new_page(viewport={"width": 1080, "height": 900}, color_scheme="light")
        page.goto(file.as_uri())
        for key in found:
            file = HERE / f"drawing-{key}.png"
            page.locator(f"#section-{key} figure").first.screenshot(path=file)
            print(f"{file.name}: {file.stat().st_size // 1024} kB")
        browser.close()


if __name__ == "__main__":
    main()
