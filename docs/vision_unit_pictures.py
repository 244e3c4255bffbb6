"""The picture and the sentences in the docs on pages of units: of a unit of the shapes' network.

    python docs/vision_unit_pictures.py

Needs Playwright and a Chromium (in `SONDE_CHROMIUM`, or on the path).
"""

from photographs import photographed

import sonde
from sonde.specimens import shapes
from sonde.vision import unit_page

UNIT = "blocks.1.act:3"


def main() -> None:
    """Write `docs/images/vision-unit-examples.png`, and print what the unit's page says."""
    held, model = shapes.held_out(), sonde.load("specimen:shapes")
    few = held.only(slice(0, 256))  # type: ignore[arg-type]
    labels = [shapes.CLASSES[one] for one in few.shape]
    found = unit_page(model, UNIT, few.pictures, labels=labels, classes=shapes.CLASSES, normalise="none")
    assert found.examples is not None
    photographed({"examples": found.examples.drawing()}, prefix="vision-unit")
    for one in found.document().sections[0].sentences:
        print(one.text, "" if one.verdict is None else one.verdict.holds)


if __name__ == "__main__":
    main()
