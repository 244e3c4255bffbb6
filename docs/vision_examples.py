"""The picture in the docs on dataset examples: when a unit of the digits' network fires, over its whole range.

    python docs/vision_examples.py

Needs Playwright and a Chromium (in `SONDE_CHROMIUM`, or on the path).
"""

from photographs import photographed

import sonde
from sonde.specimens.digits import held_out
from sonde.vision import dataset_examples


def main() -> None:
    """Write `docs/images/vision-examples.png`."""
    pictures, _ = held_out()
    found = dataset_examples(sonde.load("specimen:digits"), pictures, "blocks.1.act", [3], normalise="none", top=5, levels=4)
    photographed({"examples": found.drawing()}, prefix="vision")


if __name__ == "__main__":
    main()
