"""What the training examples' gradients are multiplied with: the queries' gradients after the inverse curvature.

The queries' matrices V = H^-1 G are formed, and a training example adds <G_i, V>. Where the inverse is a Kronecker product (no curvature, or factored
damping) and an example has few places, the queries stay as their factors: (S^-1 delta)(A^-1 a)^T is what each place becomes, and no matrix is
formed at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.influence.blocks import Block, Outer, Trace
from sonde.influence.curvature import Curvature, Spectrum
from sonde.influence.damping import Damping, Factored
from sonde.influence.examples import Examples
from sonde.influence.losses import Loss
from sonde.influence.subject import Subject, Told


@dataclass(frozen=True, eq=False)
class Formed:
    """The queries' matrices in one block.

    Arguments:
        V: the matrices.
    """

    V: Float[Tensor, "query row col"]

    def products(self, seen: Trace) -> Float[Tensor, "query example"]:
        """Every example's inner products.

        Arguments:
            seen: the examples' gradients.
        """
        return seen.products(self.V)

    def against(self, seen: Trace) -> Float[Tensor, "query example place"]:
        """What each place adds to them.

        Arguments:
            seen: the examples' gradients.
        """
        return seen.against(self.V)


@dataclass(frozen=True, eq=False)
class Factors:
    """The factors of the queries' matrices in one block.

    Arguments:
        outer: the factors, after the inverse curvature.
    """

    outer: Outer

    def products(self, seen: Trace) -> Float[Tensor, "query example"]:
        """Every example's inner products, from factors alone.

        Arguments:
            seen: the examples' gradients.
        """
        assert isinstance(seen, Outer)
        return seen.pairs(self.outer)

    def against(self, seen: Trace) -> Float[Tensor, "query example place"]:
        """What each place adds to them.

        Arguments:
            seen: the examples' gradients.
        """
        return seen.against(self.outer.dense())


Directions = dict[str, Formed | Factors]


def directions(
    subject: Subject, curvature: Curvature, damping: Damping, queries: Examples, indices: Sequence[int], of: Loss | None = None
) -> tuple[Directions, Float[Tensor, " query"]]:  # fmt: skip
    """The queries' gradients after the inverse curvature, and the queries' values.

    Arguments:
        subject: the model with its training examples.
        curvature: whose inverse.
        damping: of the inverse.
        queries: examples that are asked about.
        indices: which of them.
        of: the metric whose gradient is taken; the loss if not given.
    """
    parts: dict[str, list[Formed | Factors]] = {block.name: [] for block in subject.blocks}

    def receive(told: Told) -> None:
        spectrum = curvature.spectra.get(told.block.name)
        parts[told.block.name].append(_direction(told.block, told.trace, spectrum, damping, len(indices)))

    values = torch.cat([subject.back(queries, some, receive, of) for some in subject.batches(indices)])
    return {name: _joined(found) for name, found in parts.items()}, values


def by_factors(block: Block, places: int, queries: int) -> bool:
    """Whether inner products from factors take fewer operations than forming matrices: T^2 (r + c) < r c + T r c / q.

    Arguments:
        block: whose gradients.
        places: of an example and of a query.
        queries: how many share the forming of an example's matrix.
    """
    return places**2 * (block.rows + block.cols) < block.size * (1 + places / queries)


def _direction(block: Block, seen: Trace, spectrum: Spectrum | None, damping: Damping, queries: int) -> Formed | Factors:
    separable = spectrum is None or (isinstance(damping, Factored) and spectrum.pair is not None)
    if not separable or not isinstance(seen, Outer) or not by_factors(block, max(seen.places, block.places), queries):
        G = seen.dense()
        return Formed(G if spectrum is None else spectrum.inverse(G, damping))
    if spectrum is None:
        return Factors(seen)
    assert isinstance(damping, Factored) and spectrum.QA is not None and spectrum.QS is not None
    la, ls = spectrum.split(damping)
    return Factors(Outer(_solved(seen.a, spectrum.QA, la), _solved(seen.delta, spectrum.QS, ls)))


def _solved(rows: Tensor, Q: Tensor, values: Tensor) -> Tensor:
    """(Q diag(values) Q^T)^-1 applied to vectors along the last axis."""
    return (rows @ Q.to(rows) / values.to(rows)) @ Q.to(rows).T


def _joined(parts: Sequence[Formed | Factors]) -> Formed | Factors:
    """The queries of several passes together; those of fewer places are filled up with zeros."""
    if len(parts) == 1:
        return parts[0]
    if not all(isinstance(part, Factors) for part in parts):
        return Formed(torch.cat([part.V if isinstance(part, Formed) else part.outer.dense() for part in parts]))
    outers = [part.outer for part in parts if isinstance(part, Factors)]
    most = max(outer.places for outer in outers)
    return Factors(Outer(torch.cat([_filled(o.a, most) for o in outers]), torch.cat([_filled(o.delta, most) for o in outers])))


def _filled(rows: Float[Tensor, "example place axis"], places: int) -> Tensor:
    return torch.nn.functional.pad(rows, (0, 0, 0, places - rows.shape[1]))
