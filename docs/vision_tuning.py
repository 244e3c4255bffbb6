"""The picture and the figures in the docs on tuning: which gratings the first layer of SqueezeNet answers to.

    python docs/vision_tuning.py DATA

DATA holds `squeezenet_v1.0_dc` (weights of an ImageNet network). Needs Playwright and a Chromium (in `SONDE_CHROMIUM`, or on the path).
"""

import sys
from pathlib import Path

from photographs import photographed

import sonde
from sonde.nn import filters_permuted
from sonde.vision import Normalisation, gratings, tuning

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from data_models import nets

BYTES = Normalisation((104.0, 117.0, 123.0), scale=255.0, order="bgr")  # as the network was trained
UNITS = range(96)


def main(data: str) -> None:
    """Write `docs/images/vision-tuning.png`, and print how many units hold, in the network and in a shuffled one."""
    module = nets.squeezenet(Path(data) / "squeezenet_v1.0_dc")
    stimuli = gratings(31, [1 / 16, 1 / 8, 1 / 4], range(0, 180, 15))
    fine = tuning(sonde.load(module), "conv1", gratings(31, [1 / 4]), normalise=BYTES)
    photographed({"tuning": fine.drawing()}, prefix="vision")
    for name, one in (("trained", module), ("shuffled", filters_permuted(module, seed=1000))):
        model = sonde.load(one)
        found = tuning(model, "conv1", stimuli, normalise=BYTES)
        verdicts = found.check(model, UNITS)
        heights = sorted(found.height(unit) for unit in UNITS)
        print(f"{name}: {sum(verdict.holds is True for verdict in verdicts)} of {len(verdicts)} hold; median height {heights[48]:.3g}")


if __name__ == "__main__":
    main(*sys.argv[1:])
