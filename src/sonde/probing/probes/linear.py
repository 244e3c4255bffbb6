"""A linear probe: scores W x + b in the units of the activations, whatever it was fitted by."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.bases import Subspace
from sonde.results import InputError


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """A trained linear probe, of classes or of a number.

    Arguments:
        weight: per class, or one row for a number; for activations as they are, not standardised.
        bias: per class.
        kind: "logistic", "ridge" (of classes) or "linear" (of a number).
        n: examples that it was fitted on.
        penalty: the weight of the squared norm beside the summed loss.
        gradient: the largest entry of the objective's gradient where the search ended; 0 for a closed form.
        iterations: steps of the search.
        converged: whether the gradient is within its tolerance.
    """

    weight: Float[Tensor, "class d"]
    bias: Float[Tensor, " class"]
    kind: str
    n: int
    penalty: float
    gradient: float = 0.0
    iterations: int = 0
    converged: bool = True

    def scores(self, x: Float[Tensor, "*rows d"]) -> Float[Tensor, "*rows class"]:
        """W x + b.

        Arguments:
            x: activations.
        """
        return x.to(self.weight) @ self.weight.T + self.bias

    def predict(self, x: Float[Tensor, "*rows d"]) -> Tensor:
        """The class of the largest score; for a number the score itself.

        Arguments:
            x: activations.
        """
        scores = self.scores(x)
        return scores[..., 0] if self.kind == "linear" else scores.argmax(-1)

    def log_prob(self, x: Float[Tensor, "*rows d"]) -> Float[Tensor, "*rows class"]:
        """The logarithm of each class's probability, in nats; -inf for a class that it never saw.

        Arguments:
            x: activations.

        Raises:
            InputError: of a ridge probe, whose scores are no probabilities.
        """
        if self.kind != "logistic":
            raise InputError(f"the scores of a {self.kind} probe are no probabilities: fit a logistic or an MLP probe for them")
        return self.scores(x).log_softmax(-1)

    @property
    def directions(self) -> Float[Tensor, "class d"]:
        """What each class reads beyond the mean of all: to add a vector to every row of the weights changes no probability. Of two classes, and for a
        number, one row."""
        if self.kind == "linear":
            return self.weight
        if len(self.weight) == 2:
            return self.weight[1:] - self.weight[:1]
        return self.weight - self.weight.mean(0)

    def subspace(self) -> Subspace:
        """All that the probe reads, as a basis to attach, edit or remove: the span of its directions, the most read first.

        Raises:
            InputError: the probe reads nothing.
        """
        directions = self.directions.double()
        sizes, found = torch.linalg.svd(directions, full_matrices=False)[1:]
        kept = sizes > 1e-6 * sizes[0]
        if not float(sizes[0]) > 0:
            raise InputError("the probe reads nothing: all its weights are zero, so they have no span")
        if len(directions) == 1:
            return Subspace.span(directions.float())
        return Subspace.span(found[kept].float())


def numbered_classes(x: Float[Tensor, "n d"], y: Int[Tensor, " n"], n_classes: int | None) -> tuple[int, Int[Tensor, " class"]]:
    """How many classes there are, and which occur.

    Arguments:
        x: activations, one row per example.
        y: the class of each.
        n_classes: how many there are, where it is known.

    Raises:
        InputError: labels that do not fit the rows, are no class numbers, or are all the same.
    """
    if x.ndim != 2 or y.shape != x.shape[:1]:
        raise InputError(f"labels {tuple(y.shape)} do not fit activations {tuple(x.shape)}: give one label for each row")
    if y.is_floating_point() or y.dtype == torch.bool:
        raise InputError(f"classes are numbered from 0 on (int64), not {y.dtype}: for a number probe with ridge, for yes and no give y.long()")
    present = y.unique()
    if len(present) < 2:
        raise InputError(f"all {len(y)} examples are of one class: there is nothing to tell apart; give at least two")
    n_classes = int(present[-1]) + 1 if n_classes is None else n_classes
    if int(present[0]) < 0 or int(present[-1]) >= n_classes:
        raise InputError(f"class {int(present[0]) if int(present[0]) < 0 else int(present[-1])} of {n_classes}: classes go from 0 to {n_classes - 1}")
    return n_classes, present
