"""The translators of a tuned lens while they are trained: their weights, one update, and what is kept to go on later."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.lens.divergence import Answer, Divergence
from sonde.results import Artifact, InputError, SondeError, shown

KIND = "sonde.lens.checkpoint"
TOGETHER = 256  # tokens whose logits are held at a time


@dataclass(frozen=True)
class TunedTraining:
    """How translators are trained.

    Arguments:
        steps: updates.
        tokens: of one update, about: whole rows are taken until there are so many. The paper took 262,144.
        loss: "kl", KL(final || lens): say what the model says; or "cross_entropy" of the token that comes next in the text: say what is true, of
            which a lens may learn more than the model says.
        optimiser: "adam" (beginning with a fifth of the steps of rising rate), or "sgd" with Nesterov's momentum of .9.
        lr: the rate at its highest; by default .001 for Adam and 1 for SGD, of which momentum leaves a tenth. It falls linearly to zero.
        weight_decay: pulls the translators towards doing nothing.
        clip: the largest norm of the gradient of all translators together.
        rank: of A; `None` for any, 0 for a bias alone. A lens of low rank can move states and compute little.
        seed: of the order of the rows, and of A's factors where it has a rank.
    """

    steps: int = 250
    tokens: int = 4096
    loss: Literal["kl", "cross_entropy"] = "kl"
    optimiser: Literal["adam", "sgd"] = "adam"
    lr: float | None = None
    weight_decay: float = 1e-3
    clip: float = 1.0
    rank: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.tokens < 1:
            raise InputError(f"steps={self.steps}, tokens={self.tokens}: train for 1 step of 1 token or more")
        if self.loss not in ("kl", "cross_entropy"):
            raise InputError(f"loss={shown(self.loss)}: use 'kl' or 'cross_entropy'")
        if self.optimiser not in ("adam", "sgd"):
            raise InputError(f"optimiser={shown(self.optimiser)}: use 'adam' or 'sgd'")
        if self.lr is not None and not 0 < self.lr <= 1000:
            raise InputError(f"lr={shown(self.lr)}: give a rate above 0 and up to 1000")
        if not (math.isfinite(self.clip) and self.clip > 0):
            raise InputError(f"clip={shown(self.clip)}: give a number above 0")
        if not 0 <= self.weight_decay <= 1000:
            raise InputError(f"weight_decay={shown(self.weight_decay)}: give a number from 0 to 1000")
        if self.rank is not None and self.rank < 0:
            raise InputError(f"rank={self.rank}: use 0 for a bias alone, a number, or None for any rank")


class Translators:
    """One for each layer: A as one matrix, or as the product of two where its rank is limited, and b; all zero in effect at the beginning.

    Arguments:
        layers: how many.
        width: of the residual stream.
        config: how they are trained.
        device: where.
    """

    def __init__(self, layers: int, width: int, config: TunedTraining, device: torch.device):
        self.config, self.width = config, width
        generator = torch.Generator().manual_seed(config.seed)
        self.layers = [[weight.to(device).requires_grad_() for weight in _zero(width, config.rank, generator)] for _ in range(layers)]
        parameters = [weight for layer in self.layers for weight in layer]
        if config.optimiser == "adam":
            self.optimiser: torch.optim.Optimizer = torch.optim.Adam(parameters, config.lr or 1e-3, weight_decay=config.weight_decay)
        else:
            rate = (config.lr or 1.0) * 0.1  # momentum sums up ten steps
            self.optimiser = torch.optim.SGD(parameters, rate, momentum=0.9, nesterov=True, weight_decay=config.weight_decay)
        self.parameters, self.rate = parameters, self.optimiser.param_groups[0]["lr"]

    def matrices(self) -> tuple[Float[Tensor, "layer d d"], Float[Tensor, "layer d"]]:
        """A and b of every layer."""
        with torch.no_grad():
            none = torch.zeros(self.width, self.width)
            weight = [none if not factors else torch.linalg.multi_dot(factors) if len(factors) > 1 else factors[0] for _, *factors in self.layers]
            return torch.stack([one.detach().cpu().clone() for one in weight]), torch.stack([bias.detach().cpu().clone() for bias, *_ in self.layers])

    def update(self, model: Model, batch: list[list[int]], sites: list[str], divergence: Divergence, step: int) -> Float[Tensor, " layer"]:
        """One step.

        Arguments:
            model: whose answers are to be said.
            batch: rows of token ids.
            sites: of the layers.
            divergence: of the model.
            step: how many were made before.

        Returns:
            Each layer's mean loss before the step, in nats.
        """
        with torch.no_grad():
            run = model.run(batch, read=sites)
            assert run.mask is not None
            said, taught = self.config.loss == "kl", run.mask
            if not said:
                taught = torch.nn.functional.pad(run.mask[:, 1:] & run.mask[:, :-1], (0, 1))
            states, final, following = [run[site][taught] for site in sites], run.logits[taught], run.ids.roll(-1, 1)[taught]
        losses = torch.zeros(len(sites), device=final.device)
        for start in range(0, len(final), TOGETHER):
            some = slice(start, start + TOGETHER)
            answer = Answer.of(final[some]) if said else Answer.true(following[some], final.shape[-1])
            for i, (state, weights) in enumerate(zip(states, self.layers, strict=True)):
                losses[i] += self._learn(model, state[some].detach(), weights, divergence, answer, len(final))
        torch.nn.utils.clip_grad_norm_(self.parameters, self.config.clip)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * _schedule(step, self.config)
        self.optimiser.step()
        self.optimiser.zero_grad()
        return losses.cpu()

    @staticmethod
    def _learn(model: Model, state: Tensor, weights: list[Tensor], divergence: Divergence, answer: Answer, of: int) -> Tensor:
        """Add one layer's gradient on some of the tokens; the model's own weights get none."""
        with torch.enable_grad():
            bias, *factors = weights
            x = state.float()
            added = x
            for factor in reversed(factors):
                added = added @ factor.T
            moved = x + added + bias if factors else x + bias
            normed = model.final(moved.to(state.dtype))
        found, slopes = divergence.slopes(normed, answer)
        for weight, gradient in zip(weights, torch.autograd.grad(normed, weights, slopes.to(normed.dtype) / of), strict=True):
            weight.grad = gradient if weight.grad is None else weight.grad.add_(gradient)
        return found.sum() / of

    def keep(self, place: Path, key: str, log: dict[str, list[float]], step: int) -> None:
        """Write what is needed to go on.

        Arguments:
            place: of the checkpoint.
            key: what the training is recognised by.
            log: so far.
            step: how many were made.
        """
        tensors = {f"parameter {i}": parameter.detach() for i, parameter in enumerate(self.parameters)}
        for i, parameter in enumerate(self.parameters):
            tensors |= {f"state {i} {name}": value for name, value in self.optimiser.state[parameter].items() if isinstance(value, Tensor)}
        Artifact(KIND, {"key": key, "step": step, "log": log}, tensors=tensors).save(place)

    def resume(self, place: Path, key: str, log: dict[str, list[float]]) -> int:
        """Go on from a checkpoint; gives how many steps were made.

        Arguments:
            place: of the checkpoint.
            key: what the training is recognised by.
            log: to which what was noted is given.

        Raises:
            SondeError: a checkpoint of another training.
        """
        kept = Artifact.load(place, kind=KIND)
        if kept.configuration["key"] != key:
            raise SondeError(f"{place.parent} holds another training (another model, other rows or settings): choose another folder")
        for i, parameter in enumerate(self.parameters):
            parameter.data.copy_(kept.tensors[f"parameter {i}"])
            prefix = f"state {i} "
            own = {name.removeprefix(prefix): value for name, value in kept.tensors.items() if name.startswith(prefix)}
            # Adam counts its steps on the processor
            self.optimiser.state[parameter] = {name: value if name == "step" else value.to(parameter.device) for name, value in own.items()}
        for name, values in kept.configuration["log"].items():
            log[name] = list(values)
        return int(kept.configuration["step"])


def _zero(width: int, rank: int | None, generator: torch.Generator) -> list[Tensor]:
    """The bias, then the factors of A, whose product is zero; only the first factor is, so that both can learn."""
    bias = torch.zeros(width)
    if rank is None:
        return [bias, torch.zeros(width, width)]
    return [bias, torch.zeros(width, rank), torch.randn(rank, width, generator=generator) / width**0.5] if rank else [bias]


def _schedule(step: int, config: TunedTraining) -> float:
    """The share of the highest rate."""
    warm = config.steps // 5 if config.optimiser == "adam" else 0
    return (step + 1) / (warm + 1) if step < warm else (config.steps - step) / max(1, config.steps - warm)
