"""How a model is trained again without some of its examples, many models at once.

A run trains on the examples i with weights w_i, from its seed on, towards the least

    J(theta) = 1/m sum_i w_i l_i(theta) + decay / 2 |theta|^2        (m: how many examples the run holds, weights of zero included).

`Descent` takes the steps of all runs together: their weights are stacked, and one call of `torch.func` makes a forward of all of them (what Ilyas et
al. 2022, "Datamodels", did with many machines). `SoftmaxRegression` is convex, and is solved until nothing is left of the gradient. Whatever else
trains is a function `(indices, seed) -> module`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sonde.influence.examples import Examples
from sonde.influence.losses import CrossEntropy, Loss, name_of
from sonde.results import InputError, SondeError, content_hash, shown

CHORDS = 100  # steps with the full data's Hessian, before a run gets its own
FLAT = 1e-6


@dataclass(frozen=True)
class Run:
    """One training.

    Arguments:
        indices: of the examples that it goes over.
        seed: of its first weights and of its order.
        without: those among them that get no weight: they keep their place in the order and add nothing.
    """

    indices: tuple[int, ...]
    seed: int
    without: tuple[int, ...] = ()


@runtime_checkable
class Training(Protocol):
    """Whatever trains models."""

    @property
    def at_once(self) -> int:
        """How many models it trains together."""
        ...

    @property
    def random(self) -> bool:
        """Whether the outcome depends on the seed."""
        ...

    @property
    def decay(self) -> float:
        """Of the objective, as the damping `Absolute(decay)` has it."""
        ...

    def __call__(self, examples: Examples, runs: Sequence[Run]) -> list[nn.Module]:
        """A trained module for each run."""
        ...

    @property
    def fingerprint(self) -> str:
        """What it is recognised by."""
        ...


class _Losses(nn.Module):
    """A loss as a module, so that `functional_call` reaches the weights under it."""

    def __init__(self, network: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.network, self.loss = network, loss

    def forward(self, batch: Any) -> Tensor:
        return self.loss(self.network, batch)


@dataclass(frozen=True)
class Descent:
    """Stochastic gradient descent with momentum, the steps of all models taken together.

    The order of a pass depends on the seed and on how many examples there are: runs that differ in weights of zero alone see the same batches.

    Arguments:
        network: makes the untrained module of a seed.
        loss: of examples; made of operations that `torch.vmap` knows.
        passes: over the examples.
        batches: into which a pass is cut: the number of steps does not depend on how many examples there are.
        rate, momentum, decay: of the descent; the decay is that of the objective, for all weights.
        at_once: how many models are trained together.
    """

    network: Callable[[int], nn.Module]
    loss: Loss = field(default_factory=CrossEntropy)
    passes: int = 40
    batches: int = 10
    rate: float = 0.1
    momentum: float = 0.9
    decay: float = 1e-3
    at_once: int = 100
    random = True

    def __call__(self, examples: Examples, runs: Sequence[Run]) -> list[nn.Module]:
        """A trained module for each run.

        Arguments:
            examples: what runs are over.
            runs: of equally many examples each.
        """
        made = [self.network(run.seed) for run in runs]
        _refuse_state(made[0])
        weights = {name: torch.stack([dict(one.named_parameters())[name].detach() for one in made]) for name, _ in made[0].named_parameters()}
        losses = _Losses(made[0], self.loss)
        forward = torch.vmap(lambda given, batch: torch.func.functional_call(losses, {f"network.{name}": w for name, w in given.items()}, (batch,)))
        speeds = {name: torch.zeros_like(w) for name, w in weights.items()}
        indices, kept = torch.tensor([run.indices for run in runs]), torch.ones(len(runs), len(examples))
        for row, run in enumerate(runs):
            kept[row, list(run.without)] = 0
        whole = bool((kept == 1).all())
        orders = {run.seed: torch.Generator().manual_seed(1000 + run.seed) for run in runs}
        for _ in range(self.passes):
            drawn = {seed: torch.randperm(indices.shape[1], generator=generator) for seed, generator in orders.items()}
            order = indices.gather(1, torch.stack([drawn[run.seed] for run in runs]))
            for some in order.tensor_split(min(self.batches, indices.shape[1]), 1):
                batch = _stacked(examples, some)
                given = {name: w.detach().requires_grad_(True) for name, w in weights.items()}
                try:
                    found = forward(given, batch)
                except RuntimeError as error:
                    raise InputError(
                        f"{name_of(self.loss)} can't be taken of many models at once ({shown(str(error))}): give a function (indices, seed) -> module"
                    ) from None
                total = (found if whole else found * kept.gather(1, some)).sum() / some.shape[1]
                slopes = torch.autograd.grad(total, list(given.values()))
                for (name, w), slope in zip(weights.items(), slopes, strict=True):
                    speeds[name].mul_(self.momentum).add_(slope + self.decay * w)
                    w.sub_(speeds[name], alpha=self.rate)
        with torch.no_grad():
            for row, one in enumerate(made):
                for name, w in one.named_parameters():
                    w.copy_(weights[name][row])
        return [one.eval() for one in made]

    @property
    def fingerprint(self) -> str:
        """Of the settings, and of the untrained weights of one seed."""
        settings = [self.passes, self.batches, self.rate, self.momentum, self.decay, name_of(self.loss)]
        return content_hash([settings, dict(self.network(0).state_dict())])

    def __str__(self) -> str:
        return f"SGD, {self.passes} passes of {self.batches} batches, rate {self.rate:g}, momentum {self.momentum:g}, decay {self.decay:g}"


@dataclass(frozen=True)
class SoftmaxRegression:
    """Softmax regression with bias, in float64, at its minimum: examples are (inputs, class numbers), inputs of any shape are flattened.

    The full data's minimum is found by Newton's method, those of the runs from there with its Hessian, so that a step is two products of matrices.

    Arguments:
        classes: how many.
        decay: of the objective, for weights and bias; above zero.
        tolerance: the largest entry of a gradient that counts as none.
        steps: of Newton's method at most, before it is refused.
        at_once: how many models are solved together.
    """

    classes: int
    decay: float = 0.01
    tolerance: float = 1e-10
    steps: int = 100
    at_once: int = 100
    random = False

    def __call__(self, examples: Examples, runs: Sequence[Run]) -> list[nn.Module]:
        """A module for each run, of weights in float64.

        Arguments:
            examples: inputs and class numbers.
            runs: of any examples.
        """
        if not self.decay > 0:
            raise InputError(f"decay={shown(self.decay)}: without a decay above zero there may be no minimum")
        inputs, y = examples.batch(range(len(examples)))
        a = torch.cat([inputs.flatten(1).double(), torch.ones(len(y), 1, dtype=torch.float64)], 1)
        target = nn.functional.one_hot(y.long(), self.classes).double()
        w = torch.zeros(len(runs), len(a), dtype=torch.float64)
        for row, run in enumerate(runs):
            w[row, list(run.indices)] = 1 / len(run.indices)
            w[row, list(run.without)] = 0
        full, factor = self._newton(a, target, a.new_full((len(a),), 1 / len(a)))
        return [_linear(one) for one in self._solved(full.expand(len(runs), -1, -1).clone(), a, target, w, factor)]

    def _newton(self, a: Float[Tensor, "example col"], target: Float[Tensor, "example c"], w: Float[Tensor, " example"]) -> tuple[Tensor, Tensor]:
        """The minimum of one run by Newton's method, steps halved until they go down; and the Hessian's factor there."""
        theta = a.new_zeros(self.classes, a.shape[1])
        for _ in range(self.steps):
            factor = torch.linalg.cholesky(self._hessian(theta, a, w))
            g = self._gradient(theta[None], a, target, w[None])[0]
            if g.abs().max() < self.tolerance:
                return theta, factor
            step, before, size = torch.cholesky_solve(g.flatten()[:, None], factor).view_as(theta), self._objective(theta, a, target, w), 1.0
            # near the minimum the objective is flat to its last digit, and Newton's step is right
            while g.abs().max() > FLAT and size > FLAT and self._objective(theta - size * step, a, target, w) > before:
                size /= 2
            theta = theta - size * step
        raise SondeError(f"softmax regression has not converged after {self.steps} steps of Newton's method: scale the inputs, or raise decay")

    def _solved(self, theta: Tensor, a: Tensor, target: Tensor, w: Float[Tensor, "run example"], factor: Tensor) -> Float[Tensor, "run c col"]:
        """Every run's minimum by steps with the full data's Hessian; those that have not arrived then, by Newton's method of their own."""
        moving = torch.arange(len(theta))
        for _ in range(CHORDS):
            g = self._gradient(theta[moving], a, target, w[moving])
            left = g.abs().flatten(1).amax(1) >= self.tolerance
            if not left.any():
                return theta
            moving, g = moving[left], g[left]
            theta[moving] -= torch.cholesky_solve(g.flatten(1).T, factor).T.view_as(g)
        for row in moving.tolist():
            theta[row] = self._newton(a, target, w[row])[0]
        return theta

    def _objective(self, theta: Float[Tensor, "c col"], a: Tensor, target: Tensor, w: Float[Tensor, " example"]) -> float:
        losses = -((a @ theta.T).log_softmax(-1) * target).sum(-1)
        return float((w * losses).sum() + self.decay / 2 * theta.square().sum())

    def _gradient(self, theta: Float[Tensor, "run c col"], a: Tensor, target: Tensor, w: Float[Tensor, "run example"]) -> Float[Tensor, "run c col"]:
        logits = (a @ theta.flatten(0, 1).T).view(len(a), len(theta), self.classes)
        wrong = (logits.softmax(-1) - target[:, None]) * w.T[..., None]
        return (wrong.flatten(1).T @ a).view_as(theta) + self.decay * theta

    def _hessian(self, theta: Float[Tensor, "c col"], a: Tensor, w: Float[Tensor, " example"]) -> Float[Tensor, "weight weight"]:
        p, size = (a @ theta.T).softmax(-1), theta.numel()
        H = a.new_empty(self.classes, a.shape[1], self.classes, a.shape[1])
        for c in range(self.classes):
            for d in range(self.classes):
                H[c, :, d] = (a * (w * p[:, c] * (float(c == d) - p[:, d]))[:, None]).T @ a
        return H.view(size, size) + self.decay * torch.eye(size, dtype=torch.float64)

    @property
    def fingerprint(self) -> str:
        """Of the settings."""
        return content_hash([self.classes, self.decay, self.tolerance])

    def __str__(self) -> str:
        return f"softmax regression at its minimum, decay {self.decay:g}"


@dataclass(frozen=True)
class OneByOne:
    """A training of one's own.

    Arguments:
        train: from the numbers of the examples that are trained on, and a seed, to the trained module.
        decay: of its objective, where it has one.
        random: whether its outcome depends on the seed.
    """

    train: Callable[[list[int], int], nn.Module]
    decay: float = 0.0
    random: bool = True
    at_once: int = 1

    def __call__(self, examples: Examples, runs: Sequence[Run]) -> list[nn.Module]:
        """A trained module for each run; examples without weight are left out altogether.

        Arguments:
            examples: are not used: the function has its own.
            runs: of any examples.
        """
        found = []
        for run in runs:
            without = set(run.without)
            module = self.train([i for i in run.indices if i not in without], run.seed)
            if not isinstance(module, nn.Module):
                raise InputError(f"{name_of(self.train)} returned {shown(module)}: a training returns a torch module")
            found.append(module.eval())
        return found

    @property
    def fingerprint(self) -> str:
        """Of its name: what it does can't be looked into."""
        return content_hash([name_of(self.train), self.decay])

    def __str__(self) -> str:
        return name_of(self.train)


def training_of(given: Any) -> Training:
    """A training from what a user gives.

    Arguments:
        given: a training, or a function `(indices, seed) -> module`.

    Raises:
        InputError: anything else.
    """
    if isinstance(given, Descent | SoftmaxRegression | OneByOne) or (isinstance(given, Training) and not isinstance(given, nn.Module)):
        return given
    if callable(given) and not isinstance(given, nn.Module):
        return OneByOne(given)
    raise InputError(f"training={shown(given)}: give Descent(...), SoftmaxRegression(...), or a function (indices, seed) -> module")


def _stacked(examples: Examples, indices: Tensor) -> Any:
    """The examples of a batch of every run: the first axis is the run."""
    flat = examples.batch(indices.flatten().tolist())
    if not isinstance(flat, tuple | list) or not all(isinstance(part, Tensor) for part in flat):
        raise InputError("many models are trained at once on tensors alone: give the training set as a tuple of tensors, or a training of your own")
    return tuple(part.view(*indices.shape, *part.shape[1:]) for part in flat)


def _refuse_state(module: nn.Module) -> None:
    """Refuse what a stack of models can't share."""
    for name, part in module.named_modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm | nn.modules.dropout._DropoutNd):
            raise InputError(
                f"{name!r} is a {type(part).__name__}, which many models at once can't share: give a function (indices, seed) -> module instead"
            )


def _linear(theta: Float[Tensor, "c col"]) -> nn.Module:
    """Weights and bias as a network."""
    linear = nn.Linear(theta.shape[1] - 1, len(theta)).double()
    with torch.no_grad():
        linear.weight.copy_(theta[:, :-1])
        linear.bias.copy_(theta[:, -1])
    return nn.Sequential(nn.Flatten(), linear).eval()
