"""Does a union circuit arise where facing can't be passed over? Figures of which three differ only in where an ear stands beside a snout.

    python docs/vision_arrangements.py FOLDER [SEED ...]

A body with a snout on one side has an ear on the other side, on the same side, or none: whichever way it faces, so that neither the side of the
snout nor that of the ear tells the name, but both together do. Beside them stand five figures of `specimen:shapes` (without them a network of this
shape did not learn the three). FOLDER holds, or gets, the trainings (two minutes each); seeds 0 to 3 by default.
"""

import sys
from pathlib import Path

import torch
from torch import Tensor, nn
from vision_unions import LAYERS, claims, mirrored_pairs, told

import sonde
from sonde.nn import ConvNet, ConvNetConfig
from sonde.nn.training import Training, TrainingConfig
from sonde.specimens.shapes import figures
from sonde.vision import union_circuits

NAMES = ("ear behind", "ear ahead", "no ear", *figures.CLASSES[1:])
STEPS, ROWS = 4000, 64
NEW = 2**40  # seed of pictures that no training has seen


def disc(x: Tensor, y: Tensor) -> Tensor:
    """A body."""
    return torch.hypot(x, y - 0.1) - 0.5


def box(x: Tensor, y: Tensor, x0: float, y0: float, half_x: float, half_y: float) -> Tensor:
    """A snout or an ear."""
    return torch.maximum((x - x0).abs() - half_x, (y - y0).abs() - half_y)


def snout(x: Tensor, y: Tensor) -> Tensor:
    """A body and a snout ahead of it."""
    return torch.minimum(disc(x, y), box(x, y, 0.6, 0.22, 0.35, 0.2))


def ear_behind(x: Tensor, y: Tensor) -> Tensor:
    """With an ear on the other side."""
    return torch.minimum(snout(x, y), box(x, y, -0.4, -0.6, 0.14, 0.35))


def ear_ahead(x: Tensor, y: Tensor) -> Tensor:
    """With an ear on the snout's side."""
    return torch.minimum(snout(x, y), box(x, y, 0.4, -0.6, 0.14, 0.35))


def pictures(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Pictures and the numbers of their figures, with the factors of `specimen:shapes`."""
    drawn = figures.pictures(n, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    number = torch.randint(len(NAMES), (n,), generator=generator)
    ours = (ear_behind, ear_ahead, snout, *figures.FIGURES[1:])
    clean = figures.render(number, drawn.facing, drawn.turn, drawn.scale, drawn.place, drawn.hue, drawn.ground, ours)
    return (clean + figures.NOISE * torch.randn(clean.shape, generator=generator)).clamp(0, 1), number


def trained(folder: Path, seed: int) -> ConvNet:
    """The network of a seed, from FOLDER or made there."""
    place = folder / f"arrangements{seed}"
    if (place / "config.json").is_file():
        return ConvNet.load(place)
    torch.manual_seed(seed)
    config = ConvNetConfig(image_size=figures.SIZE, n_classes=len(NAMES), channels=(16, 32, 48, 64), image_channels=3)
    network = ConvNet(config)
    training = Training(network, TrainingConfig(steps=STEPS, lr=3e-3, weight_decay=0.1, cooldown=0.5))  # as the specimen's
    for step in training.remaining(folder / f"arrangements{seed}-checkpoint", 500, label=f"seed {seed}"):
        shown, number = pictures(ROWS, seed * 10_000_000 + 2 * step)
        training.update(nn.functional.cross_entropy(network(shown), number))
    network.save(place)
    return ConvNet.load(place)


def main(folder: str, *seeds: str) -> None:
    """Train, search the last two layers, and ask of the first candidate what it does on pictures."""
    torch.set_num_threads(1)
    Path(folder).mkdir(parents=True, exist_ok=True)
    shown, number = pictures(1000, NEW)
    for seed in seeds or ("0", "1", "2", "3"):
        model = sonde.load(trained(Path(folder), int(seed)))
        with torch.no_grad():
            right = model.module(shown).argmax(-1) == number
        three = float(right[number < 3].float().mean())
        print(f"seed {seed}: {int(right.sum())} of {len(right)} new pictures are named right; of the three {three:.3f}")
        found = union_circuits(model, LAYERS[2:], draws=50)
        told(f"seed {seed}", found)
        mirrored_pairs(found, model, shown[:300])
        claims(found, model, shown[:300], 0, "none")


if __name__ == "__main__":
    main(*sys.argv[1:])
