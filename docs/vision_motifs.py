"""The picture and the figures in the docs on motifs: how many things units of SqueezeNet stand for, by photographs.

    python docs/vision_motifs.py DATA

DATA holds `squeezenet_v1.0_dc` (weights of an ImageNet network) and `imagenet_samples` (89 photographs, which are not shown). Needs Playwright and a
Chromium (in `SONDE_CHROMIUM`, or on the path).
"""

import sys
from pathlib import Path

import torch
from photographs import photographed
from torch import nn

import sonde
from sonde.vision import Normalisation, dataset_examples, equivariance_of, polysemanticity
from sonde.vision.motifs import turned

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from data_models import nets

BYTES = Normalisation((104.0, 117.0, 123.0), scale=255.0, order="bgr")  # as the network was trained
LAYER, BEFORE, UNITS = "fire5.conv3x3_2", "fire5.relu", range(0, 64, 4)


def main(data: str) -> None:
    """Write `docs/images/vision-motif.png`, and print what was found."""
    photographed({"motif": equivariance_of(planted(), EIGHT, EIGHT, draws=500).drawing()}, prefix="vision")
    model = sonde.load(nets.squeezenet(Path(data) / "squeezenet_v1.0_dc"))
    pictures = Path(data) / "imagenet_samples" / "images"
    seen = dataset_examples(model, pictures, LAYER, normalise=BYTES, size=224, top=89, pictured=UNITS)
    alive = [unit for unit in UNITS if int((seen.most.value[unit] > 0).sum()) >= LEAST]
    found = polysemanticity(model, pictures, seen, BEFORE, alive, draws=40)
    apart, own = found.coherence, float(found.dimension.mean())
    print(f"{LAYER}: groups {found.groups} of units {alive}")
    print(f"    silhouettes {float(found.silhouette.min()):.2f} to {float(found.silhouette.max()):.2f}")
    print(f"    coherence {float(apart.min()):.2f} to {float(apart.max()):.2f}, share of a dimension {own:.2f}")
    held = [verdict.holds for verdict in found.check(model)]
    print(f"    {held.count(True)} of {len(held)} answers hang on their unit")


EIGHT, LEAST = [45.0 * i for i in range(8)], 24


def planted() -> torch.Tensor:
    """A wiring of eight units and eight sources that turns with them, by eighths of a turn, and noise."""
    generator = torch.Generator().manual_seed(0)
    down, right = torch.meshgrid(torch.arange(5) - 2, torch.arange(5) - 2, indexing="ij")
    first = nn.functional.avg_pool2d(torch.randn(1, 8, 7, 7, generator=generator), 3, 1) * torch.exp(-(down.square() + right.square()) / 6.0)
    made = torch.stack([turned(first.roll(j, 1), EIGHT[j])[0] for j in range(8)])
    return made + 0.05 * made.std() * torch.randn(made.shape, generator=generator)


if __name__ == "__main__":
    main(*sys.argv[1:])
