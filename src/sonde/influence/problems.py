"""Whole problems on which scores can be judged: data, queries, and a training that can be run again.

`digits-softmax` and `digits-mlp` are made of the 1,797 handwritten digits of 8 x 8 pixels that scikit-learn brings along (Alpaydin and Kaynak 1998):
1,000 to train on, 100 to ask about, drawn once. The first is convex, so that leaving an example out has one exact answer; the second is the smallest
network for which training is noisy and not convex.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from sonde.influence.losses import CrossEntropy, Loss
from sonde.influence.training import Descent, SoftmaxRegression, Training, training_of
from sonde.jobs import defined
from sonde.results import InputError, shown

TRAIN, ASKED, WRONG = 1000, 100, 0.1
SPLIT = 0  # seed of which pictures are trained on, and which are asked about


@dataclass(frozen=True, eq=False)
class Problem:
    """What scores can be judged on.

    Arguments:
        name: of it.
        train_set, query: (inputs, class numbers), or whatever the loss takes; in float64 where the training is `SoftmaxRegression`.
        training: `Descent`, `SoftmaxRegression`, or a function `(indices, seed) -> module`.
        loss: of the examples.
        near: where the representations are read whose nearest neighbours are the control: a module's path with ":in" or ":out".
        picture: the shape (row, col) of an input that is a picture.
    """

    name: str
    train_set: tuple[Tensor, ...]
    query: tuple[Tensor, ...]
    training: Training
    loss: Loss = field(default_factory=CrossEntropy)
    near: str | None = None
    picture: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "training", training_of(self.training))
        for name in ("train_set", "query"):
            given = getattr(self, name)
            if not isinstance(given, tuple) or not given or not all(isinstance(part, Tensor) for part in given):
                raise InputError(f"{name}={shown(given)}: a problem takes its examples as a tuple of tensors, such as (x, y)")
        if isinstance(self.training, SoftmaxRegression):
            # its minima are in float64, and the same examples are scored as are trained on
            for name in ("train_set", "query"):
                object.__setattr__(self, name, tuple(part.double() if part.is_floating_point() else part for part in getattr(self, name)))

    def smaller(self, train: int, asked: int) -> "Problem":
        """The same with the first examples and queries only.

        Arguments:
            train, asked: how many.
        """
        return replace(self, train_set=tuple(part[:train] for part in self.train_set), query=tuple(part[:asked] for part in self.query))

    def mislabelled(self, share: float = WRONG, seed: int = 2) -> "tuple[Problem, list[int]]":
        """The same with the class of some training examples exchanged for another one, and which they are.

        Arguments:
            share: of the examples.
            seed: of the draw.
        """
        x, y = self.train_set
        generator = torch.Generator().manual_seed(seed)
        wrong = torch.randperm(len(y), generator=generator)[: max(1, round(share * len(y)))]
        classes = int(y.max()) + 1
        other = y.clone()
        other[wrong] = (y[wrong] + torch.randint(1, classes, wrong.shape, generator=generator)) % classes
        return replace(self, train_set=(x, other)), sorted(wrong.tolist())


def digits() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Training pictures and pictures to ask about, each with the digits that they show; pixels from 0 to 1."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(SPLIT))[: TRAIN + ASKED]
    x, y = torch.tensor(data.data / 16)[order], torch.tensor(data.target)[order]
    return (x[:TRAIN], y[:TRAIN]), (x[TRAIN:], y[TRAIN:])


def digits_softmax() -> Problem:
    """Softmax regression on digits, at its minimum, in float64.

    >>> digits_softmax().train_set[0].shape
    torch.Size([1000, 64])
    """
    train_set, query = digits()
    return Problem("digits-softmax", train_set, query, SoftmaxRegression(10), near="1:in", picture=(8, 8))


def digits_mlp() -> Problem:
    """A network of 64, 64 and 10 units on digits, by stochastic gradient descent.

    >>> digits_mlp().training.decay
    0.001
    """
    (x, y), (asked, answers) = digits()
    return Problem("digits-mlp", (x.float(), y), (asked.float(), answers), Descent(small_network), near="1:out", picture=(8, 8))


def small_network(seed: int) -> nn.Module:
    """The untrained network of `digits_mlp`.

    Arguments:
        seed: of its weights, uniform within the root of how many inputs there are.

    >>> small_network(0)(torch.zeros(2, 64)).shape
    torch.Size([2, 10])
    """
    network = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in network.parameters():
            weight.copy_((torch.rand(weight.shape, generator=generator) * 2 - 1) / 8)
    return network


PROBLEMS: dict[str, Callable[[], Problem]] = {"digits-softmax": digits_softmax, "digits-mlp": digits_mlp}


def problem(name: str) -> Problem:
    """A problem by its name, or the one in a Python file.

    A Python file is run, as any program is: open none that you do not trust. It holds one `Problem`.

    Arguments:
        name: of a built-in problem, or a file that ends in .py.

    Raises:
        InputError: no such problem; a file that can't be run, or that holds none.

    >>> problem("digits-mlp").name
    'digits-mlp'
    """
    if name in PROBLEMS:
        return PROBLEMS[name]()
    file = Path(name).expanduser()
    if file.suffix != ".py":
        raise InputError(f"there is no problem {name!r}: the built-in ones are {', '.join(PROBLEMS)}; or give a .py file that defines one Problem")
    if not file.is_file():
        raise InputError(f"there is no file {file}: give one that defines a sonde.influence.Problem, or {' or '.join(PROBLEMS)}")
    found = {id(value): value for value in defined(file).values() if isinstance(value, Problem)}
    if len(found) != 1:
        raise InputError(f"{file} holds {len(found) or 'no'} problems: it must define one sonde.influence.Problem(name, train_set, query, training)")
    return next(iter(found.values()))
