"""Make the pictures of the page on feature pages: a dictionary of `specimen:words` is trained, collected, described and looked at.

    python docs/feature_pictures.py

Needs Playwright and a Chromium (in `SONDE_CHROMIUM`, or on the path), and some minutes.
"""

import os
import shutil
import tempfile
from functools import partial
from pathlib import Path

import sonde
from sonde import dictionaries
from sonde.features import Features, collect, describe, pages
from sonde.specimens.words import FAMILIES, documents

HERE = Path(__file__).parent / "images"
SITE = "blocks.2.resid_post"
PROMPT = "When Mary and John went to the shop, John gave a book to"
SHOWN = {"list": "", "prompt": "prompt", "map": "map", "sizes": "sizes", "compare": "compare"}
DESCRIBED = 96


def collected(model: sonde.Model, texts: list[str], folder: Path, size: int, seed: int) -> Features:
    """A dictionary of so many features, and its database."""
    sae = dictionaries.train(model, SITE, texts, dictionaries.TopK(k=12, size=size), activations=400_000, batch=1024, seed=seed)
    return collect(model, SITE, sae, texts, folder / f"{size}-{seed}")


def made(model: sonde.Model, folder: Path) -> tuple[Path, int]:
    """The pages, and a feature that is worth a look: the best described one."""
    texts = [one.text for family in FAMILIES for one in documents(family, n=200, seed=11)]
    small, large, other = (collected(model, texts, folder, size, seed) for size, seed in ((128, 1), (512, 1), (512, 2)))
    often = large.table(sort="firings", descending=True, limit=DESCRIBED)["latent"].to_list()
    describe(large, often)
    directions = {features: sonde.bases.directions(features.basis) for features in (small, large, other) if features.basis is not None}
    sizes = [
        pages.Size(
            name=f"{features.size} features",
            directions=directions[features],
            labels=list(features.labels(range(features.size)).values()),
            here=features is large,
        )
        for features in (small, large)
    ]
    extras = pages.Extras(
        comparisons=[pages.compare(large, other, "another seed", (directions[large], directions[other]))], levels=pages.levels(sizes),
        plane=pages.plane(directions[large]), prompts=[large.active(model, PROMPT, "effect")],
    )  # fmt: skip
    best = int(large.table(sort="score", descending=True, limit=1)["latent"][0])
    kept = sorted({*often, best})
    path = pages.export(large, folder / "pages.html", None, title="What specimen:words thinks in", extras=extras)
    shown = pages.export(
        large, folder / "one.html", kept, title="What specimen:words thinks in", effects=partial(large.effects, model), extras=extras
    )
    print(f"{large.size} features: {path.stat().st_size / 1e6:.1f} MB; {len(kept)} with effects: {shown.stat().st_size / 1e6:.1f} MB")
    return shown, best


def main() -> None:
    """Write `docs/images/features-*.png`."""
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("SONDE_CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path, best = made(sonde.load("specimen:words"), Path(folder))
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        page = browser.new_page(viewport={"width": 1400, "height": 860}, color_scheme="light")
        for name, view in {**SHOWN, "latent": f"latent/{best}"}.items():
            page.goto("about:blank")
            page.goto(f"{path.as_uri()}#/{view}")
            page.wait_for_selector(f".view.{name}")
            page.wait_for_timeout(300)
            page.screenshot(path=HERE / f"features-{name}.png")
        browser.close()
    for picture in sorted(HERE.glob("features-*.png")):
        print(f"{picture.name}: {picture.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
