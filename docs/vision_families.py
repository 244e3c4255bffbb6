"""The pictures and the figures in the docs on families: which units of the first layer of SqueezeNet are one feature, turned.

    python docs/vision_families.py DATA

DATA holds `squeezenet_v1.0_dc` (weights of an ImageNet network). Needs Playwright and a Chromium (in `SONDE_CHROMIUM`, or on the path).
"""

import sys
from pathlib import Path

from photographs import photographed

import sonde
from sonde.nn import filters_permuted
from sonde.vision import Families, Normalisation, families, families_by_weights, gratings, tuning

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from data_models import nets

BYTES = Normalisation((104.0, 117.0, 123.0), scale=255.0, order="bgr")  # as the network was trained
COPIES = 40


def main(data: str) -> None:
    """Write `docs/images/vision-families*.png`, and print the families of the network and of copies with shuffled filters."""
    module = nets.squeezenet(Path(data) / "squeezenet_v1.0_dc")
    model = sonde.load(module)
    by_weights = families_by_weights(model, "conv1")
    photographed({"families": by_weights.drawing()}, prefix="vision")
    _told("by weights", by_weights)
    _told("by weights, hues and contrasts too", families_by_weights(model, "conv1", hue=True, contrast=True))
    stimuli = gratings(31, [1 / 16, 1 / 8, 1 / 4])
    _told("by gratings", families(tuning(model, "conv1", stimuli, normalise=BYTES)))
    print(*(f"{one.holds}: {one.measured:.2f} beside {one.control:.2f}, {one.interval}" for one in by_weights.check(model)))
    shuffled = [families_by_weights(sonde.load(filters_permuted(module, seed)), "conv1").count for seed in range(1000, 1000 + COPIES)]
    print(f"families in {COPIES} copies with shuffled filters: {shuffled}")


def _told(how: str, found: Families) -> None:
    print(f"{how}: {found.count} families")
    for number in range(found.count):
        print("   ", ", ".join(f"{row['unit']} ({row['phase']:.0f}{' ' + row['element'] if row['element'] else ''})"
                               for row in found.to_frame().filter(family=number).sort("phase").to_dicts()))  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
