"""Many toy models trained as one: each instance is a row of two tensors, and no instance feels another.

    h = W x,    x' = ReLU(W^T h + b),    loss = mean over inputs of sum_i I_i (x_i - x'_i)^2

with W of shape (m, n), m < n: more features than dimensions. The linear model leaves the ReLU out. AdamW updates each entry by its own gradients, and
the losses of the instances are added up, so a batch of instances trains as each of them would alone. Elhage et al. (2022).

Inputs stand in the last axis: (instance feature input).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sonde.jobs import track
from sonde.nn.training import Training, TrainingConfig
from sonde.results import InputError
from sonde.superposition.toy.inputs import Features

JUDGED = 8192
"""Inputs on which the final loss of each instance is measured, the same for all seeds of a setting."""


@dataclass(frozen=True)
class ToyTraining:
    """How toy models are trained."""

    steps: int = 2500
    """Updates."""
    batch: int = 512
    """Fresh inputs of each instance in each update."""
    lr: float = 1e-2
    """Highest learning rate; it falls to nothing over the second half."""
    seeds: int = 8
    """Instances of each setting; they end in different minima, and the best of them counts."""


@dataclass(frozen=True)
class Setting:
    """What sets one toy model apart from another.

    Arguments:
        sparsity: S, the share of inputs in which a feature is absent.
        importance: I_i of each feature.
        rectified: whether the output passes a ReLU.
    """

    sparsity: float
    importance: tuple[float, ...]
    rectified: bool = True


class ToyModel(nn.Module):
    """A batch of autoencoders with tied weights.

    Arguments:
        W: of each instance the dimensions' readings of the features.
        rectified: of each instance whether its output passes a ReLU.

    >>> model = ToyModel(torch.tensor([[[1.0, -1.0]]]), torch.tensor([True]))
    >>> model(torch.tensor([[[0.5], [0.0]]])).flatten().tolist()
    [0.5, 0.0]
    """

    def __init__(self, W: Float[Tensor, "instance m n"], rectified: Bool[Tensor, " instance"]) -> None:
        super().__init__()
        self.W = nn.Parameter(W.clone())
        self.b = nn.Parameter(W.new_zeros(len(W), W.shape[2], 1))
        self.register_buffer("least", torch.where(rectified, 0.0, -torch.inf).to(W)[:, None, None])

    def forward(self, x: Float[Tensor, "instance n batch"]) -> Float[Tensor, "instance n batch"]:
        """The reconstruction of each instance's inputs."""
        return torch.baddbmm(self.b, self.W.mT, self.W @ x).maximum(self.get_buffer("least"))


def train(
    settings: Sequence[Setting], m: int, features: Features, config: ToyTraining, seed: int, folder: Path | None = None, progress: bool = False,
) -> tuple[Float[Tensor, "setting seed m n"], Float[Tensor, "setting seed n"], Float[Tensor, "setting seed"]]:  # fmt: skip
    """Train toy models of all settings, several of each, in one go.

    Arguments:
        settings: one for each group of instances.
        m: dimensions.
        features: how inputs are drawn.
        config: of the training.
        seed: of weights and inputs.
        folder: where a checkpoint is kept, from which an interrupted training goes on.
        progress: show a bar.

    Returns:
        W, b, and the loss of each instance on inputs of their own.

    Raises:
        InputError: no setting, a sparsity or an importance that is none.
    """
    if not settings or m < 1 or min(config.steps, config.batch, config.seeds) < 1:
        raise InputError(f"{len(settings)} settings, m={m}, {config}: give at least one of each")
    for one in settings:
        features.refuse(one.sparsity)
        if len(one.importance) != features.n or not all(0 <= weight < float("inf") for weight in one.importance):
            raise InputError(f"importance {one.importance}: give one number of 0 or more for each of {features.n} features")
    repeated = [one for one in settings for _ in range(config.seeds)]
    density = torch.tensor([1 - one.sparsity for one in repeated])
    importance = torch.tensor([one.importance for one in repeated])[:, :, None]
    generator = torch.Generator().manual_seed(seed)
    scale = (2.0 / (m + features.n)) ** 0.5  # Glorot and Bengio (2010), as in the original
    start = torch.randn(len(repeated), m, features.n, generator=generator) * scale
    model = ToyModel(start, torch.tensor([one.rectified for one in repeated]))
    # instances must not feel one another: gradients are not clipped by their common length
    updates = TrainingConfig(config.steps, config.lr, (0.9, 0.999), 0.0, float("inf"), warmup_steps=0, cooldown=0.5)
    training = Training(model, updates)
    if folder is not None and folder.exists():
        training.restore(folder)
    every = max(1, config.steps // 10)
    for step in track(range(training.step, config.steps), "training toy models", shown=progress):
        generator.manual_seed((seed + 1) * 1_000_003 + step)
        x = features.draw(density, config.batch, generator)
        training.update(_losses(model, x, importance).sum())
        if folder is not None and (training.step % every == 0 or training.step == config.steps):
            training.save(folder)
    with torch.no_grad():
        judged = torch.tensor([1 - one.sparsity for one in settings])
        x = features.draw(judged, JUDGED, generator.manual_seed(seed)).repeat_interleave(config.seeds, dim=0)
        losses = _losses(model, x, importance)
    shape = (len(settings), config.seeds)
    return model.W.detach().unflatten(0, shape), model.b.detach()[..., 0].unflatten(0, shape), losses.unflatten(0, shape)


def _losses(model: ToyModel, x: Float[Tensor, "instance n batch"], importance: Float[Tensor, "instance n 1"]) -> Float[Tensor, " instance"]:
    return ((model(x) - x).square() * importance).sum(1).mean(1)
