"""Directions whose coordinates are the solution of a problem: scikit-learn's dictionary learning, and non-negative factors.

    c = argmin  1/2 |x - mean - c D|^2 + l1 |c|_1        with c >= 0 where the factors are non-negative

solved by the accelerated proximal gradient (FISTA, Beck and Teboulle 2009) with a fixed number of steps, each row by itself: what an activation is
made of must not depend on what stands beside it in the batch, as it does where a solver stops by the whole batch. With `k`, the k coordinates that
contribute most are kept and fitted once more, without the penalty.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.results import InputError, content_hash

STEPS = 200


@dataclass(frozen=True, eq=False, repr=False)
class Coded:
    """Directions with sparse coding.

    Arguments:
        kind: where the directions are from.
        directions: of length 1, one a row.
        mean: taken away from an activation first.
        l1: penalty on a coordinate's size, in the units of the activation.
        nonnegative: whether coordinates are at least 0.
        k: how many coordinates of an activation are kept; all that are not 0 by default.

    >>> basis = Coded("by hand", torch.eye(2), torch.zeros(2), l1=1.0)
    >>> basis.encode(torch.tensor([[3.0, 0.5]]))
    tensor([[2., 0.]])
    """

    kind: str
    directions: Float[Tensor, "size width"]
    mean: Float[Tensor, " width"]
    l1: float = 0.0
    nonnegative: bool = False
    k: int | None = None

    def __post_init__(self) -> None:
        if self.k is not None and not 0 < self.k <= self.size:
            raise InputError(f"k={self.k}: of {self.size} directions 1 to {self.size} can be kept")

    @property
    def width(self) -> int:
        """How many entries an activation has."""
        return self.directions.shape[1]

    @property
    def size(self) -> int:
        """How many directions there are."""
        return self.directions.shape[0]

    @property
    def names(self) -> tuple[str, ...]:
        """Directions have numbers only."""
        return ()

    @cached_property
    def hash(self) -> str:
        """A content hash."""
        return content_hash([self.kind, self.directions, self.mean, self.l1, self.nonnegative, self.k])

    def encode(self, x: Float[Tensor, "*rows width"]) -> Float[Tensor, "*rows size"]:
        """The coordinates of activations."""
        centred = (x.to(self.directions.dtype) - self.mean).reshape(-1, self.width)
        c = coded(centred, self.directions, self.l1, self.nonnegative)
        if self.k is not None:
            kept = torch.zeros_like(c).scatter(1, c.abs().topk(self.k, dim=1).indices, 1.0)
            c = coded(centred, self.directions, 0.0, self.nonnegative, kept, c * kept)
        return c.view(*x.shape[:-1], self.size)

    def decode(self, c: Float[Tensor, "*rows size"]) -> Float[Tensor, "*rows width"]:
        """What coordinates stand for."""
        return self.mean + c.to(self.directions.dtype) @ self.directions

    def __repr__(self) -> str:
        return f"Coded({self.kind}, {self.size} of {self.width}{'' if self.k is None else f', k={self.k}'})"


def coded(
    x: Float[Tensor, "rows width"], directions: Float[Tensor, "size width"], l1: float, nonnegative: bool,
    kept: Float[Tensor, "rows size"] | None = None, start: Float[Tensor, "rows size"] | None = None,
) -> Float[Tensor, "rows size"]:  # fmt: skip
    """Sparse coordinates of each row, by FISTA.

    Arguments:
        x: activations, their mean taken away.
        directions: one a row.
        l1: penalty on a coordinate's size.
        nonnegative: whether coordinates are at least 0.
        kept: 1 where a coordinate may differ from 0; everywhere by default.
        start: where the search begins; 0 by default.
    """
    gram, target = directions @ directions.T, x @ directions.T
    step = 1 / float(torch.linalg.matrix_norm(gram, 2))
    c = torch.zeros_like(target) if start is None else start
    ahead, momentum = c, 1.0
    for _ in range(STEPS):
        moved = ahead - step * (ahead @ gram - target)
        new = torch.relu(moved - step * l1)
        new = new if nonnegative else new - torch.relu(-moved - step * l1)
        new = new if kept is None else new * kept
        following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead, c, momentum = new + (momentum - 1) / following * (new - c), new, following
    return c


def dictionary_learning(
    x: Float[Tensor, "rows width"], size: int, k: int | None = None, l1: float | None = None, batch: int = 64, epochs: int = 5, seed: int = 0,
) -> Coded:  # fmt: skip
    """Online dictionary learning (Mairal et al. 2009), by scikit-learn.

    Arguments:
        x: activations.
        size: how many directions.
        k: how many are kept of an activation.
        l1: penalty on a coordinate's size; by default half the mean length of a centred activation.
        batch: rows a step.
        epochs: how often all rows are seen.
        seed: of the start and the order.
    """
    import warnings

    from sklearn.decomposition import MiniBatchDictionaryLearning
    from sklearn.exceptions import ConvergenceWarning

    mean = x.float().mean(0)
    centred = x.float() - mean
    penalty = 0.5 * float(centred.norm(dim=1).mean()) if l1 is None else l1
    fitting = MiniBatchDictionaryLearning(
        size, alpha=penalty, max_iter=epochs, batch_size=min(batch, len(x)), fit_algorithm="cd", random_state=seed, shuffle=True, tol=0.0,
        max_no_improvement=None,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        directions = torch.from_numpy(fitting.fit(centred.double().numpy()).components_).float()
    return Coded("dictionary learning", _unit(directions), mean, penalty, k=k)


def nmf(x: Float[Tensor, "rows width"], size: int, k: int | None = None, seed: int = 0) -> Coded:
    """Non-negative factors (Lee and Seung 1999), by scikit-learn: of activations that are at least 0, such as those after a ReLU.

    Arguments:
        x: activations.
        size: how many factors.
        k: how many are kept of an activation.
        seed: of the start.

    Raises:
        InputError: activations below 0.
    """
    import warnings

    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning

    if (lowest := float(x.min())) < 0:
        raise InputError(f"nmf needs activations that are at least 0, and the lowest is {lowest:.3g}: take a site after a ReLU, or ica")
    fitting = NMF(size, init="nndsvda" if size <= min(x.shape) else "random", max_iter=300, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        directions = torch.from_numpy(fitting.fit(x.double().numpy()).components_).float()
    return Coded("nmf", _unit(directions), torch.zeros(x.shape[1]), nonnegative=True, k=k)


def _unit(directions: Tensor) -> Tensor:
    """Of length 1; a direction that was never used stays 0."""
    lengths = directions.norm(dim=1, keepdim=True)
    return directions / torch.where(lengths > 0, lengths, torch.ones_like(lengths))
