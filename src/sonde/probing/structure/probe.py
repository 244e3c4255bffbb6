"""The structural probe: a linear map under which squared distances between words are distances in their tree (Hewitt and Manning 2019).

    d_B(i, j)^2 = ||B^T (h_i - h_j)||^2        fitted to the number of arcs between words i and j
    ||B^T h_i||^2                              fitted to the number of arcs between word i and the root

    loss = mean over sentences of  sum of |predicted - gold| / (entries),     n^2 entries for distances, n for depths

What is fitted is the squared distance, which is no metric: the triangle inequality need not hold. Sentences of one length are computed together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.jobs import track
from sonde.results import InputError

Quantity = Callable[[Tensor], Tensor]
"""From words in the probe's space, (sentence word rank), to what is fitted, (sentence ...)."""


@dataclass(frozen=True)
class StructuralConfig:
    """How a structural probe is fitted."""

    rank: int = 128
    """Dimensions of its space; the width of the states where that is less."""
    epochs: int = 40
    """Passes over the sentences at most."""
    batch: int = 20
    """Sentences in a step, all of one length."""
    lr: float = 1e-3
    """The rate at the start; a tenth of it as soon as the loss on held-out sentences stops falling."""
    drops: int = 3
    """The fit ends after so many falls of the rate."""

    def __post_init__(self) -> None:
        if self.rank < 1 or self.epochs < 1 or self.batch < 1 or not self.lr > 0 or self.drops < 1:
            raise InputError(f"{self}: give at least one dimension, epoch, sentence and drop, and a rate above zero")


Case = tuple[Float[Tensor, "_ width"], Tensor]
"""The states of a sentence's words, and what is to be told: distances or depths."""


def distances_of(z: Float[Tensor, "*sentence word rank"]) -> Float[Tensor, "*sentence word word"]:
    """The squared distance between any two words.

    Arguments:
        z: words in the probe's space.

    >>> distances_of(torch.tensor([[0.0, 0.0], [3.0, 4.0]]))
    tensor([[ 0., 25.],
            [25.,  0.]])
    """
    gram = z @ z.mT
    squares = gram.diagonal(dim1=-2, dim2=-1)
    found = (squares[..., :, None] + squares[..., None, :] - 2 * gram).clamp(min=0)
    return found - torch.diag_embed(found.diagonal(dim1=-2, dim2=-1))  # rounding leaves a little there


def depths_of(z: Float[Tensor, "*sentence word rank"]) -> Float[Tensor, "*sentence word"]:
    """The squared length of each word.

    Arguments:
        z: words in the probe's space.
    """
    return z.square().sum(-1)


def fit_structure(
    train: Sequence[Case], dev: Sequence[Case], quantity: Quantity, config: StructuralConfig, seed: int = 0, progress: bool = False
) -> Float[Tensor, "width rank"]:
    """The map B under which a quantity is as near to the truth as it comes.

    Arguments:
        train: sentences to learn from.
        dev: sentences that tell when to stop.
        quantity: `distances_of` or `depths_of`.
        config: how.
        seed: of the first map, and of the order of the sentences.
        progress: show a bar.
    """
    draw = torch.Generator().manual_seed(seed)
    width = train[0][0].shape[1]
    # entries of very different size make one rate too small for some and too large for others
    scale = torch.cat([h for h, _ in train]).std().clamp(min=1e-12)
    B = ((torch.rand(width, min(config.rank, width), generator=draw) - 0.5) / 10).requires_grad_()
    adam = torch.optim.Adam([B], config.lr)
    best, least, drops = B.detach().clone(), float("inf"), 0
    batches, held = _batches(train, config.batch, scale), _batches(dev, 10**6, scale)
    for _ in track(range(config.epochs), "fitting a structural probe", shown=progress):
        for number in torch.randperm(len(batches), generator=draw).tolist():
            h, gold = batches[number]
            adam.zero_grad()
            with torch.enable_grad():
                _losses(quantity(h @ B), gold).mean().backward()
            adam.step()
        with torch.no_grad():
            loss = float(torch.cat([_losses(quantity(h @ B), gold) for h, gold in held]).mean())
        if loss < least:
            best, least = B.detach().clone(), loss
            continue
        drops += 1
        if drops >= config.drops:
            break
        adam = torch.optim.Adam([B], config.lr * 0.1**drops)  # its memory of steps that were too large goes, too
    return best / scale


def _batches(cases: Sequence[Case], size: int, scale: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Sentences of one length side by side."""
    by_length: dict[int, list[Case]] = {}
    for case in cases:
        by_length.setdefault(len(case[0]), []).append(case)
    found = []
    for alike in by_length.values():
        for start in range(0, len(alike), size):
            some = alike[start : start + size]
            found.append((torch.stack([h for h, _ in some]) / scale, torch.stack([gold for _, gold in some]).float()))
    return found


def _losses(said: Tensor, gold: Tensor) -> Float[Tensor, " sentence"]:
    """The mean absolute error of each sentence."""
    return (said - gold).abs().flatten(1).mean(1)
