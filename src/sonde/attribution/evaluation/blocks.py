"""Pictures of which it is known what matters: a digit, and a block that says nothing, one above the other in random order.

BlockMNIST (Shah, Jain and Netrapalli 2021, "Do input gradients highlight discriminative features?") from the digits of scikit-learn: the signal block
shows a 0 or a 1, the null block always the same hollow square. A faithful map stays off the null block. Networks trained on such pictures often have
gradients there all the same (*leakage*): the map then tells the truth about the gradient, and not about what distinguishes the classes. Where the
null block always lies below, nothing leaks: that is the control.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from sonde.access import Model
from sonde.attribution.evaluation.removing import Method
from sonde.nn.training import Training, TrainingConfig
from sonde.results import Drawing, InputError, Recipe, Result, Verdict
from sonde.results.drawing import bars
from sonde.tasks import Logit

if TYPE_CHECKING:
    from polars import DataFrame

SIDE = 8  # of a block, as the digits have
INK = 16  # the brightest pixel of a digit
WIDTH = 256


@dataclass(frozen=True, eq=False)
class Blocks:
    """Pictures of two blocks.

    Arguments:
        pictures: 16 x 8 pixels from 0 to 1.
        labels: the digit, 0 or 1.
        null: true at the pixels of the block that says nothing.
    """

    pictures: Float[Tensor, "example 1 16 8"]
    labels: Int[Tensor, " example"]
    null: Bool[Tensor, "example 16 8"]


def block_digits(n: int, seed: int = 0, fixed: bool = False) -> Blocks:
    """Draw pictures of two blocks.

    Arguments:
        n: how many.
        seed: of the digits and of the order of the blocks.
        fixed: the null block always lies below.

    >>> blocks = block_digits(4)
    >>> blocks.pictures.shape, blocks.null.sum((1, 2)).tolist()
    (torch.Size([4, 1, 16, 8]), [64, 64, 64, 64])
    """
    from sklearn.datasets import load_digits

    data = load_digits(n_class=2)
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(data.target), (n,), generator=generator)
    digits, labels = torch.as_tensor(data.images).float()[chosen] / INK, torch.as_tensor(data.target).long()[chosen]
    square = torch.zeros(SIDE, SIDE)
    square[1:-1, 1:-1] = 1.0
    square[2:-2, 2:-2] = 0.0
    below = torch.ones(n, dtype=torch.bool) if fixed else torch.rand(n, generator=generator) < 0.5
    other = square.expand(n, SIDE, SIDE)
    pictures = torch.where(below[:, None, None], torch.cat([digits, other], 1), torch.cat([other, digits], 1))
    rows = torch.arange(2 * SIDE) >= SIDE
    null = (rows == below[:, None])[:, :, None].expand(n, 2 * SIDE, SIDE)
    return Blocks(pictures[:, None], labels, null)


def train_pixels(
    pictures: Float[Tensor, "example *axis"], labels: Int[Tensor, " example"], seed: int = 0, steps: int = 200, radius: float = 0.0
) -> nn.Module:
    """Train a network of two hidden layers on the pixels of pictures, or on the columns of a table.

    Arguments:
        pictures: the inputs.
        labels: their classes, counted from 0.
        seed: of the weights and of the order of the pictures.
        steps: updates, of 128 pictures each.
        radius: where above 0 every picture is first moved against its label by so much (L2, 5 steps: Madry et al. 2018).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        size, classes = pictures[0].numel(), int(labels.max()) + 1
        net = nn.Sequential(nn.Flatten(), nn.Linear(size, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, classes))
    training = Training(net, TrainingConfig(steps=steps, lr=1e-3, warmup_steps=10, weight_decay=0.0))
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        chosen = torch.randint(len(labels), (128,), generator=generator)
        x, y = pictures[chosen], labels[chosen]
        training.update(nn.functional.cross_entropy(net(_attacked(net, x, y, radius) if radius else x), y))
    return net.eval()


def _attacked(net: nn.Module, x: Tensor, y: Tensor, radius: float, steps: int = 5) -> Tensor:
    """Inputs moved within a ball so that the loss grows."""
    moved = torch.zeros_like(x)
    for _ in range(steps):
        moved.requires_grad_(True)
        slope = torch.autograd.grad(nn.functional.cross_entropy(net(x + moved), y), moved)[0]
        moved = (moved + 0.5 * radius * _unit(slope)).detach()
        moved = moved * (radius / _length(moved).clamp(min=radius))
    return x + moved


def _length(x: Tensor) -> Tensor:
    return x.flatten(1).norm(dim=-1).clamp(min=1e-12).view(-1, *[1] * (x.ndim - 1))


def _unit(x: Tensor) -> Tensor:
    return x / _length(x)


@dataclass(frozen=True, eq=False, repr=False)
class Leakage(Result):
    """How much of a map lies where nothing can be learnt.

    Arguments:
        method: the method of attribution.
        top: the share of an example's largest values (a tenth of the pixels) that lie in the null block.
        mass: the share of the sizes of all values.
        fixed_top: the same where the null block always lies below: the control.
        fixed_mass: likewise.
        accuracy: of both models on the pictures explained.
    """

    method: str
    top: Float[Tensor, " example"]
    mass: Float[Tensor, " example"]
    fixed_top: Float[Tensor, " example"]
    fixed_mass: Float[Tensor, " example"]
    accuracy: tuple[float, float]

    def to_frame(self) -> "DataFrame":
        """One row per world: the null block anywhere, or always below."""
        import polars as pl

        worlds = {"position": ["random", "fixed"], "accuracy": list(self.accuracy)}
        tops, masses = (self.top, self.fixed_top), (self.mass, self.fixed_mass)
        return pl.DataFrame(worlds | {"top": [float(x.mean()) for x in tops], "mass": [float(x.mean()) for x in masses]})

    def drawing(self) -> Drawing:
        """The shares in both worlds as bars."""
        labels = ["largest tenth", "largest tenth, fixed position", "all values", "all values, fixed position"]
        values = [float(part.mean()) for part in (self.top, self.fixed_top, self.mass, self.fixed_mass)]
        note = (
            f"Half of the pixels say nothing. Accuracies {self.accuracy[0]:.0%} and {self.accuracy[1]:.0%} on the {len(self.top)} pictures explained."
        )
        return bars(f"Does {self.method} leak into what says nothing?", "share in the null block", labels, values, zero="none", note=note)

    def check(self, model: Any = None, *args: Any, **kwargs: Any) -> list[Verdict]:
        """Nothing is claimed of the user's model: the worlds and their models are made here, and any other is refused."""
        if model is not None:
            self.refuse_other(model)
        return []


def leakage(method: Method, *, n: int = 2000, explained: int = 200, steps: int = 200, radius: float = 0.0, seed: int = 0) -> Leakage:
    """Train networks on pictures of two blocks and see how much of a method's map lies in the block that says nothing.

    Arguments:
        method: the method with its arguments bound, for pictures.
        n: pictures to train on.
        explained: other pictures to explain, by the logit of their label: gradients of a loss vanish where a network is sure.
        steps: updates.
        radius: of adversarial training, L2; 0 for none.
        seed: of everything drawn.

    Raises:
        InputError: a method that gives no map of pictures.
    """
    shares, accuracies = [], []
    for fixed in (False, True):
        seen, held = block_digits(n, seed, fixed), block_digits(explained, seed + 1, fixed)
        net = train_pixels(seen.pictures, seen.labels, seed, steps, radius)
        with torch.no_grad():
            accuracies.append(float((net(held.pictures).argmax(-1) == held.labels).float().mean()))
        model = Model(net)
        result = method(model, held.pictures, of=Logit(held.labels))
        shares.append(null_shares(result.cells(), held.null))
    (top, mass), (fixed_top, fixed_mass) = shares
    arguments = {"method": result.recipe.function, "n": n, "explained": explained, "steps": steps, "radius": radius}
    return Leakage(
        result.method, top, mass, fixed_top, fixed_mass, (accuracies[0], accuracies[1]),
        recipe=Recipe.of("sonde.attribution.evaluation.leakage", arguments, model_hash=model.hash, inputs=result.recipe.inputs_hash, seed=seed),
    )  # fmt: skip


def null_shares(cells: Float[Tensor, "example row col"], null: Bool[Tensor, "example row col"]) -> tuple[Tensor, Tensor]:
    """The share of the largest tenth of values, and of the sizes of all, that lie in the null block.

    Arguments:
        cells: the maps.
        null: true in the null block.

    Raises:
        InputError: maps of another shape.
    """
    if cells.shape != null.shape:
        raise InputError(f"maps of {tuple(cells.shape)} don't fit pictures of {tuple(null.shape)}: the method must give a value to every pixel")
    sizes, inside = cells.abs().flatten(1), null.flatten(1)
    largest = sizes.topk(max(1, round(0.1 * sizes.shape[1])), -1).indices
    return inside.gather(1, largest).float().mean(-1), (sizes * inside).sum(-1) / sizes.sum(-1)
