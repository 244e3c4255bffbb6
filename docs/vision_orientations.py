"""The pictures and the figures in the docs on orientations: whether gratings and real pictures tell the same of SqueezeNet, and curves beside lines.

    python docs/vision_orientations.py DATA

DATA holds `squeezenet_v1.0_dc` (weights of an ImageNet network) and `imagenet_samples` (89 photographs, which are not shown). Needs Playwright and a
Chromium (in `SONDE_CHROMIUM`, or on the path).
"""

import math
import sys
from pathlib import Path

from photographs import photographed

import sonde
from sonde.nn import filters_permuted
from sonde.vision import Normalisation, agreement, curves, dataset_examples, gratings, orientations, preference, tuning

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from data_models import nets

BYTES = Normalisation((104.0, 117.0, 123.0), scale=255.0, order="bgr")  # as the network was trained
LAYERS = {"conv1": 31, "fire3.conv3x3_2": 63, "fire4.conv3x3_2": 63}
RADII, LEAST = [5.0, 8.0, 13.0], 8
BENT = {"fire2.conv3x3_2": 47, "fire3.conv3x3_2": 47, "fire4.conv3x3_2": 47}


def main(data: str) -> None:
    """Write `docs/images/vision-orientations*.png`, and print what was found."""
    module = nets.squeezenet(Path(data) / "squeezenet_v1.0_dc")
    model = sonde.load(module)
    for layer, size in LAYERS.items():
        found = tuning(model, layer, gratings(size, [1 / 16, 1 / 8, 1 / 4], range(0, 180, 15)), normalise=BYTES)
        tuned = [unit for unit, verdict in zip(found.units, found.check(model, found.units), strict=True) if verdict.holds]
        print(f"{layer}: {len(tuned)} of {len(found.units)} are tuned to orientation", flush=True)
        if len(tuned) < LEAST:
            continue
        pictures = Path(data) / "imagenet_samples" / "images"
        seen = orientations(dataset_examples(model, pictures, layer, tuned, normalise=BYTES, size=224, pictured=tuned))
        both = agreement(found, seen)
        share, chance = both.by_chance()
        (verdict,) = both.check(model)
        apart, by_chance = both.apart, f"{float(chance.mean()):.2g} by chance, at most {float(chance.max()):.2g} (share {share:.2g})"
        print(f"    apart {float(apart.mean()):.3g} degrees on average, {float(apart.max()):.3g} at most")
        print(f"    score {both.score:.3g}, {by_chance}: {verdict.holds}", flush=True)
        if layer == "conv1":
            best = min(both.units, key=lambda unit: float(apart[both.units.index(unit)]))
            photographed({"orientations": both.drawing(), "orientation": both.roses(best)}, prefix="vision")
    for layer, size in BENT.items():
        stimuli = curves(size, [*RADII, math.inf], range(0, 360, 15), width=3.0)
        for name, one in (("trained", model), ("shuffled", sonde.load(filters_permuted(module, seed=1000)))):
            found = preference(tuning(one, layer, stimuli, normalise=BYTES), one, RADII, [math.inf])
            (verdict,) = found.check(one)
            print(f"{layer}, {name}: curves over lines {verdict.measured:.2f}, shuffled {verdict.control:.2f}, {verdict.interval}: {verdict.holds}")
            print(f"    {len(found.above)} of {len(found.units)} units above what 2.5 % of the shuffled exceed: {found.above}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
