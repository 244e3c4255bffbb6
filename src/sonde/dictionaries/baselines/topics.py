"""Topics of activations that are at least 0, read as counts: latent Dirichlet allocation (Blei, Ng and Jordan 2003).

An activation of total n is n times a mixture of topics, each a distribution over the entries; coordinates are n times the shares of the topics:

    c_k = n E[theta_k]      decode(c) = c B      gamma_k = alpha + sum_w x_w phi_wk,  phi_wk ~ exp(psi(gamma_k)) B~_kw

by mean-field steps, each row by itself and always as many.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.results import InputError, content_hash

STEPS = 100


@dataclass(frozen=True, eq=False, repr=False)
class Topics:
    """Distributions over the entries, of which activations are mixtures.

    Arguments:
        weights: pseudo-counts of the entries in each topic, lambda of the variational posterior.
        prior: alpha, of the shares.
        k: how many topics of an activation are kept; all by default.
    """

    weights: Float[Tensor, "size width"]
    prior: float
    k: int | None = None

    def __post_init__(self) -> None:
        if self.k is not None and not 0 < self.k <= self.size:
            raise InputError(f"k={self.k}: of {self.size} topics 1 to {self.size} can be kept")

    @property
    def width(self) -> int:
        """How many entries an activation has."""
        return self.weights.shape[1]

    @property
    def size(self) -> int:
        """How many topics there are."""
        return self.weights.shape[0]

    @property
    def names(self) -> tuple[str, ...]:
        """Topics have numbers only."""
        return ()

    @cached_property
    def hash(self) -> str:
        """A content hash."""
        return content_hash(["topics", self.weights, self.prior, self.k])

    @cached_property
    def directions(self) -> Float[Tensor, "size width"]:
        """The expected distribution of each topic: rows that sum to 1."""
        return self.weights / self.weights.sum(1, keepdim=True)

    def encode(self, x: Float[Tensor, "*rows width"]) -> Float[Tensor, "*rows size"]:
        """How much of each topic activations hold.

        Raises:
            InputError: activations below 0.
        """
        counts = x.reshape(-1, self.width).to(self.weights.dtype)
        if float(counts.min()) < 0:
            raise InputError(f"topics need activations that are at least 0, and the lowest is {float(counts.min()):.3g}: take a site after a ReLU")
        spoken = torch.exp(torch.digamma(self.weights) - torch.digamma(self.weights.sum(1, keepdim=True)))
        gamma = torch.full((len(counts), self.size), 1.0, dtype=counts.dtype)
        for _ in range(STEPS):
            shares = torch.exp(torch.digamma(gamma) - torch.digamma(gamma.sum(1, keepdim=True)))
            gamma = self.prior + shares * ((counts / (shares @ spoken + 1e-30)) @ spoken.T)
        shares = gamma / gamma.sum(1, keepdim=True)
        if self.k is not None:
            kept = torch.zeros_like(shares).scatter(1, shares.topk(self.k, dim=1).indices, 1.0)
            shares = shares * kept / (shares * kept).sum(1, keepdim=True)
        return (counts.sum(1, keepdim=True) * shares).view(*x.shape[:-1], self.size)

    def decode(self, c: Float[Tensor, "*rows size"]) -> Float[Tensor, "*rows width"]:
        """What coordinates stand for."""
        return c.to(self.weights.dtype) @ self.directions

    def __repr__(self) -> str:
        return f"Topics({self.size} of {self.width}{'' if self.k is None else f', k={self.k}'})"


def topics(x: Float[Tensor, "rows width"], size: int, k: int | None = None, epochs: int = 10, seed: int = 0) -> Topics:
    """Topics, by scikit-learn's latent Dirichlet allocation.

    Arguments:
        x: activations or counts, at least 0.
        size: how many topics.
        k: how many are kept of an activation.
        epochs: how often all rows are seen.
        seed: of the start.

    Raises:
        InputError: activations below 0.
    """
    from sklearn.decomposition import LatentDirichletAllocation

    if (lowest := float(x.min())) < 0:
        raise InputError(f"topics need activations that are at least 0, and the lowest is {lowest:.3g}: take a site after a ReLU")
    fitting = LatentDirichletAllocation(size, learning_method="batch", max_iter=epochs, random_state=seed)
    return Topics(torch.from_numpy(fitting.fit(x.double().numpy()).components_).float(), float(fitting.doc_topic_prior_), k)
