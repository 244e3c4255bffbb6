"""The specimen `digits`: a convolutional network that reads handwritten digits of 8 x 8 pixels.

The pictures are the 1,797 that scikit-learn brings along (E. Alpaydin and C. Kaynak 1998, "Optical Recognition of Handwritten Digits", UCI
Machine Learning Repository). Of those 500 are never trained on; they lie beside the weights, so that scikit-learn is needed for training only.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from sonde.nn import ConvNet, ConvNetConfig, permuted
from sonde.nn.training import Training, TrainingConfig
from sonde.results import LoadError
from sonde.specimens import cards, runs
from sonde.specimens.measures import Measure, share
from sonde.specimens.registry import path

_INK = 16  # the brightest value of a pixel
_HELD_OUT = 500
_SPLIT = 1797  # seed of which pictures are held out: the same for every training, so that models can be compared

LIMITS = (
    "It knows upright digits that fill the picture; other pictures get a digit too.",
    "The held-out pictures are drawn at random, so their writers are those of the training pictures: on other writers it may do worse.",
    "Trained on pictures moved by at most one pixel; farther ones were not measured.",
)


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the outcome."""

    seed: int = 0
    """Of the first weights, the order of the pictures and their moves."""
    steps: int = 3000
    """Updates."""
    rows: int = 64
    """Pictures in an update."""
    noise: float = 0.1
    """Deviation of the noise that is added to the pixels, which go from 0 to 1."""

    def model(self) -> ConvNetConfig:
        """The shape of the network."""
        return ConvNetConfig(image_size=8, n_classes=10, channels=(16, 32, 64))

    def training(self) -> TrainingConfig:
        """How it is trained."""
        return TrainingConfig(steps=self.steps, lr=3e-3, cooldown=0.5)


def held_out() -> tuple[Float[Tensor, "image 1 8 8"], Int[Tensor, "image"]]:
    """The pictures that training never sees, as the network takes them.

    Returns:
        The pictures, 0 for paper and 1 for ink, and the digits that they show.

    >>> pictures, digits = held_out()
    >>> pictures.shape, digits[:5].tolist()
    (torch.Size([500, 1, 8, 8]), [3, 9, 7, 8, 4])
    """
    stored = load_file(path("digits") / "held_out.safetensors")
    return _scaled(stored["images"]), stored["digits"].long()


def seen() -> tuple[Float[Tensor, "image 1 8 8"], Int[Tensor, "image"]]:
    """The pictures of training, as the network takes them; they come with scikit-learn.

    Returns:
        The pictures, 0 for paper and 1 for ink, and the digits that they show.

    Raises:
        LoadError: scikit-learn is not there.
    """
    stored, _ = _everything()
    return _scaled(stored["images"]), stored["digits"].long()


def _scaled(images: Tensor) -> Tensor:
    return images[:, None].float() / _INK


def _everything() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The pictures for training and those held out, as they are stored: whole numbers from 0 to 16."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise LoadError("training the specimen 'digits' needs the pictures of scikit-learn: pip install scikit-learn") from None
    data = load_digits()
    images, digits = torch.as_tensor(data.images).to(torch.uint8), torch.as_tensor(data.target).to(torch.uint8)
    order = torch.randperm(len(digits), generator=torch.Generator().manual_seed(_SPLIT))
    held, seen = order[:_HELD_OUT], order[_HELD_OUT:]
    return {"images": images[seen], "digits": digits[seen]}, {"images": images[held], "digits": digits[held]}


def _batch(images: Tensor, digits: Tensor, recipe: Recipe, step: int) -> tuple[Tensor, Tensor]:
    """Pictures of one update, each moved by up to a pixel each way, with noise."""
    generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + step)
    chosen = torch.randint(len(digits), (recipe.rows,), generator=generator)
    margin = nn.functional.pad(images[chosen, 0], (1, 1, 1, 1))
    top, left = torch.randint(3, (2, recipe.rows, 1, 1), generator=generator)
    place = torch.arange(8)
    moved = margin[torch.arange(recipe.rows)[:, None, None], top + place[:, None], left + place]
    return (moved + recipe.noise * torch.randn(moved.shape, generator=generator))[:, None], digits[chosen]


@torch.no_grad()
def measures(network: nn.Module, images: Float[Tensor, "image 1 8 8"], digits: Int[Tensor, "image"]) -> list[Measure]:
    """The lines of the card.

    Arguments:
        network: the classifier.
        images: pictures that it was not trained on.
        digits: what they show.

    Returns:
        The share of pictures it reads right, and of those of each digit.
    """
    right = network(images).argmax(-1) == digits
    chance = "share right; chance 0.1"
    each = [share(f"pictures of a {digit}", right[digits == digit].tolist(), "share right") for digit in range(10)]
    return [share("pictures never trained on", right.tolist(), chance), *each]


def train(out: Path, seed: int = 0, threads: int = 1, steps: int = Recipe.steps) -> None:
    """Train, or go on training, and write the specimen into `out / "digits"`.

    Arguments:
        out: folder for checkpoint and result.
        seed: of the first weights and the order of the pictures.
        threads: processor threads.
        steps: updates.

    Raises:
        LoadError: scikit-learn is not there, or the checkpoint was made with other settings.
    """
    torch.set_num_threads(threads)
    recipe = Recipe(seed=seed, steps=steps)
    seen, held = _everything()
    images, digits = _scaled(seen["images"]), seen["digits"].long()
    held_images, held_digits = _scaled(held["images"]), held["digits"].long()
    torch.manual_seed(seed)
    network = ConvNet(recipe.model())
    training = Training(network, recipe.training())

    @torch.no_grad()
    def look() -> dict[str, float]:
        return {
            "seen": (network(images).argmax(-1) == digits).float().mean().item(),
            "held out": (network(held_images).argmax(-1) == held_digits).float().mean().item(),
        }

    for step in runs.updates(training, out, "digits", look):
        pictures, answers = _batch(images, digits, recipe, step)
        training.update(nn.functional.cross_entropy(network(pictures), answers))

    folder = out / "digits"
    network.save(folder, dtype=torch.float16)
    save_file(held, folder / "held_out.safetensors")
    stored = ConvNet.load(folder)
    cards.write(
        folder, "digits", sum(p.numel() for p in stored.parameters()), asdict(recipe), measures(stored, held_images, held_digits),
        measures(permuted(stored, seed=0), held_images, held_digits), LIMITS, training.notes["log"],
    )  # fmt: skip
