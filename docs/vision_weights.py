"""The picture and the figures in the docs on weights between units: how fire3 of SqueezeNet is built from fire2.

    python docs/vision_weights.py DATA

DATA holds `squeezenet_v1.0_dc` (weights of an ImageNet network) and `imagenet_samples` (photographs, by which contributions and checks are measured;
none is shown). Needs Playwright and a Chromium (in `SONDE_CHROMIUM`, or on the path).
"""

import itertools
import math
import sys
from pathlib import Path

import torch
from photographs import photographed
from torch import Tensor

import sonde
from sonde.access import Model
from sonde.nn import filters_permuted
from sonde.vision import Normalisation, Tuning, factorised, gratings, tuning, weights_between

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from data_models import nets

BYTES = Normalisation((104.0, 117.0, 123.0), scale=255.0, order="bgr")  # as the network was trained
SIDE, STEP = 63, 15  # pixels of a grating, degrees between two
SIZE = 128  # pixels of a photograph
DRAWS = 2000
TUNED = 0.5  # of a unit's range over all gratings is its height along the angle: it tells orientations apart


def main(data: str) -> None:
    """Write `docs/images/vision-weights.png` and print the figures."""
    model = sonde.load(nets.squeezenet(Path(data) / "squeezenet_v1.0_dc"))
    pictures = str(Path(data) / "imagenet_samples" / "images")
    found = weights_between(model, "fire3", "fire2", pictures=pictures, normalise=BYTES, size=SIZE)
    unit = most_oriented(model)
    for verdict in found.check(model, pictures, [unit, 0, 1, 2], batch_size=16):
        print(verdict.holds, verdict.measured, verdict.control, verdict.interval, verdict.claim)
    parts = factorised(found, 12)
    print("parts:", f"{parts.error:.3f} left out;", *((one.holds, one.measured, one.control) for one in parts.check(model)))
    photographed({"weights": found.visualised(model, unit).drawing(unit)}, prefix="vision")
    oriented(model)
    for seed in range(3):
        print("shuffled filters:")
        oriented(sonde.load(filters_permuted(model.module, seed)))


def most_oriented(model: Model) -> int:
    """The unit of fire3 that sees places, not single ones, and rises highest along the orientation of gratings."""
    found = tuning(model, "fire3", gratings(SIDE, [1 / 16, 1 / 8, 1 / 4], range(0, 180, STEP)), range(64, 128), normalise=BYTES)
    return max(preferred(found), key=found.height)


def oriented(model: Model) -> None:
    """Do units of one orientation excite each other, and units of crossing ones inhibit? The correlation over pairs, beside permuted orientations."""
    stimuli = gratings(SIDE, [1 / 16, 1 / 8, 1 / 4], range(0, 180, STEP))
    layers = ["conv1", "fire2", "fire3", "fire4"]
    angles = {layer: preferred(tuning(model, layer, stimuli, normalise=BYTES)) for layer in layers}
    for source, layer in itertools.pairwise(layers):
        found = weights_between(model, layer, source)
        theirs, own = angles[source], angles[layer]
        columns, rows = sorted(theirs), sorted(own)
        strength = found.strength[rows][:, columns]
        strength = (strength - strength.mean(1, keepdim=True)) / strength.std(1, keepdim=True)
        there, here = (torch.tensor([by[i] for i in order]) for by, order in ((theirs, columns), (own, rows)))
        measured = correlation(strength, here, there)
        generator = torch.Generator().manual_seed(0)
        null = torch.tensor([correlation(strength, here, there[torch.randperm(len(there), generator=generator)]) for _ in range(DRAWS)])
        p = (1 + int((null.abs() >= abs(measured)).sum())) / (1 + DRAWS)
        alike = math.pi / 12 + 1e-3
        apart = ((here[:, None] - there[None]) % math.pi - math.pi / 2).abs()
        same, crossing = strength[apart >= math.pi / 2 - alike].mean(), strength[apart <= alike].mean()
        print(
            f"{source} -> {layer}: {len(rows)} and {len(columns)} tuned units; correlation {measured:.3f}, null {float(null.mean()):.3f} +- "
            f"{float(null.std()):.3f}, p {p:.4f}; mean strength, in deviations: within 15 degrees {float(same):+.3f}, crossing {float(crossing):+.3f}"
        )


def preferred(found: Tuning) -> dict[int, float]:
    """The angle of each unit that is tuned to orientation, by number."""
    spread = {unit: float(answers.max() - answers.min()) for unit, answers in zip(found.units, found.response, strict=True)}
    chosen = [unit for unit in spread if spread[unit] > 0 and found.height(unit) >= TUNED * spread[unit]]
    return {unit: math.radians(found.mean(unit)) for unit in chosen}


def correlation(strength: Tensor, here: Tensor, there: Tensor) -> float:
    """Of the strength of a pair with the cosine of twice the angle between both."""
    alike = (2 * (here[:, None] - there[None])).cos()
    return float(torch.corrcoef(torch.stack([strength.flatten(), alike.flatten()]))[0, 1])


if __name__ == "__main__":
    main(*sys.argv[1:])
