"""Trains the network to name the figure, whichever way it faces and in whatever colours, and measures it factor by factor.

The loss is -log softmax_c f_c(x) at the figure c. No label tells the facing, the turn or the hue: what the network makes of them is its own.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from sonde.nn import ConvNet, ConvNetConfig, permuted
from sonde.nn.training import Training, TrainingConfig
from sonde.specimens import cards, runs
from sonde.specimens.measures import Measure, share
from sonde.specimens.shapes.figures import CLASSES, FACING, SIZE, Shapes, held_out, pictures

_EACH_RUN = 10_000_000  # pictures of one update are drawn by the seed times this, plus its number

LIMITS = (
    "It knows one of six figures on a plain ground, 32 x 32 pixels; other pictures get a figure too.",
    "Turned by at most 15 degrees, moved by at most 3 pixels; figures that lie otherwise were not measured.",
    "One training run: the intervals are over pictures, not over runs.",
)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome."""

    seed: int = 0
    """Of the first weights and of the pictures."""
    steps: int = 4000
    """Updates."""
    rows: int = 64
    """Pictures in an update; none comes twice."""

    def model(self) -> ConvNetConfig:
        """The shape of the network: a unit of the second block sees 8 pixels, one of the third 18, one of the fourth the whole picture."""
        return ConvNetConfig(image_size=SIZE, n_classes=len(CLASSES), channels=(16, 32, 48, 64), image_channels=3)

    def training(self) -> TrainingConfig:
        """How it is trained."""
        return TrainingConfig(steps=self.steps, lr=3e-3, weight_decay=0.1, cooldown=0.5)


@torch.no_grad()
def measures(network: nn.Module, shapes: Shapes) -> list[Measure]:
    """The lines of the card.

    Arguments:
        network: the classifier.
        shapes: pictures that it was not trained on.

    Returns:
        The share of pictures named right, of all and by each factor; and the share named right together with their mirror images.
    """
    named = network(shapes.pictures).argmax(-1)
    right = named == shapes.shape
    mirrored = network(shapes.mirrored.pictures).argmax(-1)
    chance = f"share right; chance {1 / len(CLASSES):.2f}"
    parts = {f"{'an' if name[0] in 'aeiou' else 'a'} {name}": shapes.shape == number for number, name in enumerate(CLASSES)}
    parts |= {f"facing {name}": shapes.facing == number for number, name in enumerate(FACING)}
    parts |= {"turned left": shapes.turn < 0, "turned right": shapes.turn >= 0}
    small = shapes.scale < (shapes.scale.min() + shapes.scale.max()) / 2
    parts |= {"small": small, "large": ~small}
    parts |= {f"figure {name}": _hue(shapes.hue) == number for number, name in enumerate(("red", "green", "blue"))}
    parts |= {f"ground {name}": _hue(shapes.ground) == number for number, name in enumerate(("red", "green", "blue"))}
    return [
        share("pictures never trained on", right.tolist(), chance),
        *(share(name, right[part].tolist(), chance) for name, part in parts.items()),
        share("both a picture and its mirror image", (right & (mirrored == shapes.shape)).tolist(), chance),
    ]


def _hue(degrees: Tensor) -> Tensor:
    """The nearest of red, green and blue."""
    return ((degrees + 60) % 360 / 120).long()


def train(out: Path, seed: int = 0, threads: int = 1, steps: int = Recipe.steps) -> None:
    """Train, or go on training, and write the specimen into `out / "shapes"`.

    Arguments:
        out: folder for checkpoint and result.
        seed: of the first weights and the pictures.
        threads: processor threads.
        steps: updates.

    Raises:
        LoadError: the checkpoint was made with other settings.
    """
    torch.set_num_threads(threads)
    recipe = Recipe(seed=seed, steps=steps)
    new = held_out()
    torch.manual_seed(seed)
    network = ConvNet(recipe.model())
    training = Training(network, recipe.training())

    @torch.no_grad()
    def look() -> dict[str, float]:
        return {"new pictures": (network(new.pictures).argmax(-1) == new.shape).float().mean().item()}

    for step in runs.updates(training, out, "shapes", look):
        drawn = pictures(recipe.rows, seed * _EACH_RUN + step)
        training.update(nn.functional.cross_entropy(network(drawn.pictures), drawn.shape))

    folder = out / "shapes"
    network.save(folder, dtype=torch.float16)
    stored = ConvNet.load(folder)
    cards.write(
        folder, "shapes", sum(p.numel() for p in stored.parameters()), asdict(recipe), measures(stored, new), measures(permuted(stored, seed=0), new),
        LIMITS, training.notes["log"],
    )  # fmt: skip
