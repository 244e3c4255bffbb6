"""Make the pictures in the docs and the README from real reports.

    python docs/pictures.py

Needs Playwright and a Chromium (in `SONDE_CHROMIUM`, or on the path).
"""

import os
import shutil
import tempfile
from pathlib import Path

import sonde

HERE = Path(__file__).parent / "images"
PROMPT = "When Mary and John went to the shop, John gave a book to"
WIDTH = 1080
# the sections that the docs show by themselves
SHOWN = ("attribution", "lens", "patching", "verification")


def main() -> None:
    """Write `docs/images/*.png`."""
    from playwright.sync_api import sync_playwright

    HERE.mkdir(exist_ok=True)
    report = sonde.explain(sonde.load("specimen:words"), PROMPT)
    chromium = os.environ.get("SONDE_CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page_file = report.to_html(Path(folder) / "report.html")
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        page = browser.new_page(viewport={"width": WIDTH, "height": 900}, color_scheme="light")
        page.goto(page_file.as_uri())
        page.wait_for_selector("#section-patching svg")
        box = page.locator("#section-summary").bounding_box()
        assert box is not None
        page.screenshot(path=HERE / "report.png", clip={"x": 0, "y": 0, "width": WIDTH, "height": box["y"] + box["height"] + 24}, full_page=True)
        for key in SHOWN:
            page.locator(f"#section-{key}").screenshot(path=HERE / f"report-{key}.png")
        browser.close()
    for picture in sorted(HERE.glob("report*.png")):
        print(f"{picture.name}: {picture.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
