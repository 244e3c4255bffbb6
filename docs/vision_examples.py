"""The picture and the figures in the docs on dataset examples: when units fire, over their whole range.

    python docs/vision_examples.py DATA

DATA holds `squeezenet_v1.0_dc` (weights of an ImageNet network) and `imagenet_samples` (89 pictures, of which figures are told and none is shown);
the picture is of a network that is shipped. Needs Playwright and a Chromium (in `SONDE_CHROMIUM`, or on the path).
"""

import sys
from pathlib import Path

from photographs import photographed

import sonde
from sonde.specimens.digits import held_out
from sonde.vision import Normalisation, dataset_examples

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from data_models import nets

BYTES = Normalisation((104.0, 117.0, 123.0), scale=255.0, order="bgr")  # as the network was trained
UNITS, PIXELS = (3, 40, 77, 200), 160


def main(data: str) -> None:
    """Write `docs/images/vision-examples.png`, and print what four units of SqueezeNet do on photographs."""
    pictures, _ = held_out()
    found = dataset_examples(sonde.load("specimen:digits"), pictures, "blocks.1.act", [3], normalise="none", top=5, levels=4)
    photographed({"examples": found.drawing()}, prefix="vision")
    photographs = Path(data) / "imagenet_samples" / "images"
    model = sonde.load(nets.squeezenet(Path(data) / "squeezenet_v1.0_dc"))
    found = dataset_examples(model, photographs, "fire4", UNITS, normalise=BYTES, size=PIXELS)
    for i, unit in enumerate(UNITS):
        levels = zip(found.edges[i], found.edges[i, 1:], found.counts[i].tolist(), strict=False)
        counts = "; ".join(f"{start:.0f} to {end:.0f}: {count}" for start, end, count in levels if start.isfinite() and end.isfinite())
        print(f"fire4:{unit}: at most {found.most.value[i, 0]:.0f}, {found.silences[i]} of {found.count} silent; {counts}")
    for verdict in found.check(model, photographs):
        print(f"{verdict.holds}: {verdict.claim} {verdict.measured:.3f}, control {verdict.control:.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
