"""Make the pictures of features and of dictionaries in the docs, from what comes with `specimen:words`.

    python docs/feature_pictures.py

Needs Playwright and a Chromium (in `SONDE_CHROMIUM`, or on the path).
"""

import os
import shutil
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import sonde
from sonde import views
from sonde.dictionaries import evaluate, shipped
from sonde.dictionaries.evaluation.pictures import plane
from sonde.dictionaries.shipped.stored import MODEL, SITE, SIZES
from sonde.features import Features, TokenSet, activity, collect, dose_response, pages
from sonde.features.shipped import DATABASE, text
from sonde.results import Drawing
from sonde.results.document import Document, Section

HERE = Path(__file__).parent / "images"
PROMPT = "The keys on the cabinet"
NAMES = 326  # the feature that is shown by itself: women's names
PLURAL = 365  # the one that is turned up: plural nouns before their verb
TITLE = "What specimen:words thinks in"
SPARSITIES = (4, 8, 16, 32)  # 16 is what it was trained with
FRESH = 77  # seed of documents from which no dictionary learned


def browsed(model: sonde.Model, folder: Path) -> dict[str, str]:
    """The addresses of the pages, by the name of the picture."""
    features = Features.load(DATABASE, shipped())
    labels = {features.size: features.labels(range(features.size))}
    for size in set(SIZES) - set(labels):
        other = collect(model, SITE, shipped(size), text(300), folder / str(size), neurons="")
        labels[size] = other.labels(range(size))
    tree = [_level(size, labels[size], size == features.size) for size in SIZES]
    extras = pages.Extras(prompts=[features.active(model, PROMPT, "effect")], levels=pages.levels(tree))
    whole = pages.export(features, folder / "all.html", title=TITLE, extras=extras).as_uri()
    one = pages.export(features, folder / "one.html", [NAMES], title=TITLE, effects=partial(features.effects, model)).as_uri()
    return {**{name: f"{whole}#/{name}" for name in ("list", "prompt", "sizes")}, "latent": f"{one}#/latent/{NAMES}"}


def _level(size: int, labels: dict[int, str], here: bool) -> pages.Size:
    return pages.Size(name=f"{size} latents", directions=shipped(size).directions, labels=[labels[i] for i in range(size)], here=here)


def dose(model: sonde.Model) -> Drawing:
    """After subjects in the singular: the verb in the plural, as a feature of plural nouns is turned up."""
    attached, site = model.attach(SITE, shipped(), "sae"), f"{SITE}.sae"
    assert model.tokenizer is not None
    task = sonde.tasks.load("agreement", model, n=48, seed=0)
    singular = [row for row, right in zip(task.clean, task.targets.tolist(), strict=True) if right == model.tokenizer.single(" is")]
    plural = TokenSet.of(model, [" are", " were"])
    return dose_response(attached, site, PLURAL, singular[:16], activity(attached, site, text(200)), plural, draws=8).drawing()


def judged(model: sonde.Model) -> Drawing:
    """A dictionary of which the `k` most active latents are kept, beside neurons, principal components and random directions that are as sparse."""
    found = evaluate({f"k = {k}": replace(shipped(), k=k) for k in SPARSITIES}, model, corpus=text(100, FRESH), metrics=["reconstruction"])
    return plane(found, "fvu", "share of the variance left unexplained")


def main() -> None:
    """Write `docs/images/features-*.png`, `drawing-dose.png` and `drawing-dictionaries.png`."""
    from playwright.sync_api import sync_playwright

    model = sonde.load(MODEL)
    kinds = {"dose": dose(model), "dictionaries": judged(model)}
    document = Document("Kinds", sections=[Section(key, key, drawings=[one]) for key, one in kinds.items()])
    chromium = os.environ.get("SONDE_CHROMIUM") or shutil.which("chromium")
    made = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        addresses = browsed(model, Path(folder))
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        page = browser.new_page(viewport={"width": 1400, "height": 860}, color_scheme="light")
        for name, address in addresses.items():
            page.goto("about:blank")
            page.goto(address)
            page.wait_for_selector(f".view.{name}")
            if name == "sizes":
                page.locator("summary").first.click()
            page.wait_for_timeout(300)
            made.append(HERE / f"features-{name}.png")
            page.screenshot(path=made[-1])
        page.set_viewport_size({"width": 1080, "height": 900})
        kinds_file = Path(folder) / "kinds.html"
        kinds_file.write_text(views.page(document), encoding="utf-8")
        page.goto(kinds_file.as_uri())
        for key in kinds:
            made.append(HERE / f"drawing-{key}.png")
            page.locator(f"#section-{key} figure").screenshot(path=made[-1])
        browser.close()
    for picture in made:
        print(f"{picture.name}: {picture.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
