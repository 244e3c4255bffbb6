"""Losses of single examples, and what some of them know besides: the distribution that the model's output stands for.

Any callable `loss(module, batch) -> one number per example` will do. The losses here also know the curvature of the loss in the model's output z:
its Hessian is B = E_y[l'(z, y) l'(z, y)^T] over labels y that the model itself draws. So the Gauss-Newton matrix J^T B J is the mean of squared
gradients of drawn labels (Martens 2020, "New Insights and Perspectives on the Natural Gradient Method"): labels are drawn (`sampled`), or the
expectation is taken exactly over the classes (`exact`). With the labels of the data instead one has the empirical Fisher, which is something else
(Kunstner et al. 2019, "Limitations of the Empirical Fisher Approximation").
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sonde.access.outputs import unwrap
from sonde.influence.rows import TokenBatch
from sonde.results import InputError, shown


class Loss(Protocol):
    """One number per example."""

    def __call__(self, module: nn.Module, batch: Any) -> Float[Tensor, " example"]:
        """The losses of a batch's examples."""
        ...


@runtime_checkable
class Likelihood(Protocol):
    """A loss that is the negative logarithm of a probability, and knows of which distribution."""

    def __call__(self, module: nn.Module, batch: Any) -> Float[Tensor, " example"]:
        """The losses of a batch's examples."""
        ...

    def outputs(self, module: nn.Module, batch: Any) -> Tensor:
        """What the model gives for a batch."""
        ...

    def of(self, outputs: Tensor, batch: Any) -> Float[Tensor, " example"]:
        """The losses, from the model's outputs."""
        ...

    def sampled(self, outputs: Tensor, batch: Any, generators: Sequence[torch.Generator]) -> Tensor:
        """The gradient of the losses at the outputs for labels that the model draws; each example has a generator of its own."""
        ...

    def exact(self, outputs: Tensor, batch: Any) -> Iterator[Tensor]:
        """Vectors u at the outputs, of which the sum of u u^T is the losses' Hessian there, example by example."""
        ...

    def curved(self, outputs: Tensor, batch: Any, direction: Tensor) -> Tensor:
        """The losses' Hessian at the outputs times a direction."""
        ...


@dataclass(frozen=True)
class CrossEntropy:
    """Minus the logarithm of the right class's probability, in nats; batches are (inputs, class numbers)."""

    def __call__(self, module: nn.Module, batch: Any) -> Float[Tensor, " example"]:
        """The losses of a batch's examples."""
        return self.of(self.outputs(module, batch), batch)

    def outputs(self, module: nn.Module, batch: Any) -> Float[Tensor, "example class"]:
        """The logits."""
        inputs, _ = _pair(batch, "class numbers")
        logits = unwrap(module(inputs))
        if logits.ndim != 2:
            raise InputError(f"CrossEntropy takes logits (example, class), and the model gives {tuple(logits.shape)}; write the loss as a function")
        return logits

    def of(self, outputs: Float[Tensor, "example class"], batch: Any) -> Float[Tensor, " example"]:
        """The losses, from the logits."""
        return nn.functional.cross_entropy(outputs, _pair(batch, "class numbers")[1].to(outputs.device).long(), reduction="none")

    def sampled(
        self, outputs: Float[Tensor, "example class"], batch: Any, generators: Sequence[torch.Generator]
    ) -> Float[Tensor, "example class"]:  # fmt: skip
        """p - onehot(y), y drawn from p."""
        p = outputs.detach().softmax(-1)
        draws = torch.stack([torch.rand((), generator=g, dtype=torch.float64) for g in generators])
        return _minus_drawn(p, draws)

    def exact(self, outputs: Float[Tensor, "example class"], batch: Any) -> Iterator[Tensor]:
        """sqrt(p_c) (p - onehot(c)) for every class c."""
        p = outputs.detach().softmax(-1)
        for c in range(p.shape[-1]):
            away = p.clone()
            away[:, c] -= 1
            yield away * p[:, c, None].sqrt()

    def curved(self, outputs: Tensor, batch: Any, direction: Tensor) -> Tensor:
        """p * v - p (p . v)."""
        return _softmax_curved(outputs, direction)


@dataclass(frozen=True)
class SquaredError:
    """Half the squared distance to the targets: a Gaussian of variance 1; batches are (inputs, targets)."""

    def __call__(self, module: nn.Module, batch: Any) -> Float[Tensor, " example"]:
        """The losses of a batch's examples."""
        return self.of(self.outputs(module, batch), batch)

    def outputs(self, module: nn.Module, batch: Any) -> Tensor:
        """The predictions."""
        return unwrap(module(_pair(batch, "targets")[0]))

    def of(self, outputs: Tensor, batch: Any) -> Float[Tensor, " example"]:
        """The losses, from the predictions."""
        targets = _pair(batch, "targets")[1].to(outputs)
        if targets.shape != outputs.shape:
            raise InputError(
                f"targets of {tuple(targets.shape)} for predictions of {tuple(outputs.shape)}: give one target for each, in the same shape"
            )
        return (outputs - targets).square().flatten(1).sum(1) / 2 if outputs.ndim > 1 else (outputs - targets).square() / 2

    def sampled(self, outputs: Tensor, batch: Any, generators: Sequence[torch.Generator]) -> Tensor:
        """Minus the drawn noise."""
        return torch.stack([torch.randn(outputs.shape[1:], generator=g, dtype=torch.float64) for g in generators]).to(outputs)

    def exact(self, outputs: Tensor, batch: Any) -> Iterator[Tensor]:
        """The unit vector of every output."""
        flat = outputs.detach().reshape(len(outputs), -1)
        for c in range(flat.shape[1]):
            unit = torch.zeros_like(flat)
            unit[:, c] = 1
            yield unit.reshape(outputs.shape)

    def curved(self, outputs: Tensor, batch: Any, direction: Tensor) -> Tensor:
        """The direction itself."""
        return direction


@dataclass(frozen=True)
class NextToken:
    """Minus the logarithm of the probability of a row's tokens, summed, in nats; of a completion's tokens only where there is one."""

    def __call__(self, module: nn.Module, batch: TokenBatch) -> Float[Tensor, " example"]:
        """The losses of a batch's rows."""
        return self.of(self.outputs(module, batch), batch)

    def outputs(self, module: nn.Module, batch: TokenBatch) -> Float[Tensor, "example pos vocab"]:
        """The logits at every place."""
        if not isinstance(batch, TokenBatch):
            raise InputError("NextToken takes rows of tokens: give texts, rows of token ids or (prompt, completion) pairs to a language model")
        return unwrap(module(batch.ids, **batch.call))

    def of(self, outputs: Float[Tensor, "example pos vocab"], batch: TokenBatch) -> Float[Tensor, " example"]:
        """The losses, from the logits."""
        losses = nn.functional.cross_entropy(outputs[:, :-1].transpose(1, 2), batch.ids[:, 1:], reduction="none")
        return (losses * batch.scored[:, 1:]).sum(1)

    def sampled(
        self, outputs: Float[Tensor, "example pos vocab"], batch: TokenBatch, generators: Sequence[torch.Generator]
    ) -> Float[Tensor, "example pos vocab"]:  # fmt: skip
        """p - onehot(y) at the places before scored tokens, y drawn from p; a row's draws do not depend on its padding."""
        p = outputs.detach().softmax(-1)
        draws = torch.stack([torch.rand(p.shape[1], generator=g, dtype=torch.float64) for g in generators])
        drawn = _minus_drawn(p.flatten(0, 1), draws.flatten()).view_as(p)
        return drawn * _before(batch, p)

    def exact(self, outputs: Tensor, batch: TokenBatch) -> Iterator[Tensor]:
        """Refused: there is a vector for every token of the vocabulary at every place."""
        raise InputError("the exact expectation over every token at every place is too much: use labels='sampled', with more draws if need be")

    def curved(self, outputs: Tensor, batch: TokenBatch, direction: Tensor) -> Tensor:
        """p * v - p (p . v) at the places before scored tokens."""
        return _softmax_curved(outputs, direction) * _before(batch, direction)


def name_of(loss: Any) -> str:
    """What a loss or metric is called, alike in every process.

    Arguments:
        loss: any.

    >>> name_of(CrossEntropy())
    'CrossEntropy()'
    """
    return f"{loss.__module__}.{loss.__qualname__}" if hasattr(loss, "__qualname__") else repr(loss).split(" object at")[0]


def _before(batch: TokenBatch, like: Tensor) -> Tensor:
    """1 at the places from which a scored token is foretold."""
    scored = nn.functional.pad(batch.scored[:, 1:], (0, 1))
    return scored[..., None].to(like)


def _minus_drawn(p: Float[Tensor, "row class"], draws: Float[Tensor, " row"]) -> Float[Tensor, "row class"]:
    """p - onehot(y), with y where the draw falls in the cumulated probabilities."""
    cumulated = p.double().cumsum(-1)
    drawn = torch.searchsorted(cumulated, draws.to(p.device)[:, None] * cumulated[:, -1:]).clamp(max=p.shape[-1] - 1)
    return p.scatter_add(1, drawn, -torch.ones_like(p[:, :1]))


def _softmax_curved(outputs: Tensor, direction: Tensor) -> Tensor:
    p = outputs.softmax(-1)
    return p * (direction - (p * direction).sum(-1, keepdim=True))


def _pair(batch: Any, what: str) -> tuple[Any, Tensor]:
    if not isinstance(batch, list | tuple) or len(batch) != 2:
        raise InputError(f"this loss takes pairs of inputs and {what}; got {shown(type(batch).__name__)}: give (x, y), or a loss of your own")
    return batch[0], batch[1]
