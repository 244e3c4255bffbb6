"""Make the pictures of the page on feature pages from a file of such pages.

    sonde features export FOLDER --out pages.html --basis SAE --map --effects --prompt ... --size ... --beside ...
    python docs/feature_pictures.py pages.html 5

The number is the feature that is shown by itself. Needs Playwright and a Chromium (in `SONDE_CHROMIUM`, or on the path).
"""

import os
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent / "images"
SHOWN = ("list", "prompt", "sizes")


def main(file: str, latent: str) -> None:
    """Write `docs/images/features-*.png`."""
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("SONDE_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        page = browser.new_page(viewport={"width": 1400, "height": 860}, color_scheme="light")
        for name, view in {**{name: name for name in SHOWN}, "latent": f"latent/{latent}"}.items():
            page.goto("about:blank")
            page.goto(f"{Path(file).resolve().as_uri()}#/{view}")
            page.wait_for_selector(f".view.{name}")
            page.wait_for_timeout(300)
            page.screenshot(path=HERE / f"features-{name}.png")
        browser.close()
    for picture in sorted(HERE.glob("features-*.png")):
        print(f"{picture.name}: {picture.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main(*sys.argv[1:])
