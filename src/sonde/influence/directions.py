"""What the training examples' gradients are multiplied with: the queries' gradients after the inverse curvature.

The queries' matrices V = H^-1 G are formed, and a training example adds <G_i, V>. Three ways to keep them:

- whole, in the type of the weights, or in bfloat16 at half the memory: every entry of V is then off by at most 2^-8 of itself, so that a score is by
  at most 2^-8 <|G_i|, |V|>;
- of rank r, V ~ L R by a randomised range finder with two power iterations (Halko, Martinsson and Tropp 2011, "Finding Structure with Randomness"):
  a score is then off by at most |G_i| |V - L R|, and the share of |V|^2 that is left out is told;
- as their factors, where the inverse is a Kronecker product (no curvature, or factored damping) and an example has few places:
  (S^-1 delta)(A^-1 a)^T is what each place becomes, and no matrix is formed at all.
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
from sonde.influence.turning import Turning
from sonde.results import InputError, shown

REBUILT = 2**26  # bytes of matrices that are rebuilt from factors of low rank at a time
ITERATIONS = 2  # of the range finder


@dataclass(frozen=True)
class Keep:
    """How the queries' matrices are kept.

    Arguments:
        rank: of the matrices; `None` for whole ones.
        dtype: of what is kept; `None` for that of the weights.
    """

    rank: int | None = None
    dtype: torch.dtype | None = None

    def __post_init__(self) -> None:
        if self.rank is not None and (isinstance(self.rank, bool) or not isinstance(self.rank, int) or self.rank < 1):
            raise InputError(f"rank={shown(self.rank)}: keep the queries' gradients by 1 direction or more")
        if self.dtype not in (None, torch.float32, torch.float64, torch.bfloat16):
            raise InputError(f"dtype={shown(self.dtype)}: keep the queries' gradients in torch.bfloat16, float32 or float64 (float16 may overflow)")

    def bytes(self, blocks: Sequence[Block], size: int = 4) -> int:
        """That one query takes.

        Arguments:
            blocks: that are looked at.
            size: of a number where the weights' type is kept.
        """
        size = size if self.dtype is None else self.dtype.itemsize
        return size * sum(block.size if self.rank is None else min(block.size, self.rank * (block.rows + block.cols)) for block in blocks)


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
class LowRank:
    """The queries' matrices in one block as products of two thin ones; they are rebuilt some at a time, which costs rank times fewer operations
    than their inner products.

    Arguments:
        left, right: the factors.
    """

    left: Float[Tensor, "query row rank"]
    right: Float[Tensor, "query rank col"]

    def products(self, seen: Trace) -> Float[Tensor, "query example"]:
        """Every example's inner products.

        Arguments:
            seen: the examples' gradients.
        """
        if isinstance(seen, Outer):  # its gradients are formed once for all queries
            formed = seen.dense().flatten(1)
            return torch.cat([V.to(formed).flatten(1) @ formed.T for V in self._rebuilt()])
        return torch.cat([seen.products(V) for V in self._rebuilt()])

    def against(self, seen: Trace) -> Float[Tensor, "query example place"]:
        """What each place adds to them.

        Arguments:
            seen: the examples' gradients.
        """
        return torch.cat([seen.against(V) for V in self._rebuilt()])

    def _rebuilt(self) -> "list[Tensor] | map[Tensor]":
        at_once = max(1, REBUILT // (4 * self.left.shape[1] * self.right.shape[2]))
        return map(torch.matmul, self.left.split(at_once), self.right.split(at_once))


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


Kept = Formed | LowRank | Factors


@dataclass(frozen=True, eq=False)
class Directions:
    """The queries' gradients after the inverse curvature.

    Arguments:
        parts: by block.
        values: of the queries.
        left_out: of each query's squared norm the share that a low rank leaves out; 0 where they are kept whole.
    """

    parts: dict[str, Kept]
    values: Float[Tensor, " query"]
    left_out: Float[Tensor, " query"]


def directions(
    subject: Subject, curvature: Curvature, damping: Damping, queries: Examples, indices: Sequence[int], of: Loss | None = None,
    keep: Keep = Keep(),
) -> Directions:  # fmt: skip
    """The queries' gradients after the inverse curvature, and the queries' values.

    Arguments:
        subject: the model with its training examples.
        curvature: whose inverse.
        damping: of the inverse.
        queries: examples that are asked about.
        indices: which of them.
        of: the metric whose gradient is taken; the loss if not given.
        keep: how.
    """
    parts: dict[str, list[Kept]] = {block.name: [] for block in subject.blocks}
    turning = Turning(subject.blocks, curvature.bases)
    norms: list[tuple[Tensor, Tensor]] = []  # of a pass: whole, left out

    def receive(told: Told) -> None:
        spectrum = curvature.spectra.get(told.block.name)
        found: Kept = _direction(told, turning, spectrum, damping, len(indices))
        if isinstance(found, Formed):
            found, whole, left = _kept(found.V, keep)
            norms[-1][0].add_(whole)
            norms[-1][1].add_(left)
        parts[told.block.name].append(found)

    values = []
    for some in subject.batches(indices):
        norms.append((torch.zeros(len(some), dtype=torch.float64), torch.zeros(len(some), dtype=torch.float64)))
        values.append(subject.back(queries, some, receive, of))
    left_out = torch.cat([left / whole.clamp(min=torch.finfo(torch.float64).tiny) for whole, left in norms])
    return Directions({name: _joined(found) for name, found in parts.items()}, torch.cat(values), left_out)


def by_factors(block: Block, places: int, queries: int) -> bool:
    """Whether inner products from factors take fewer operations than forming matrices: T^2 (r + c) < r c + T r c / q.

    Arguments:
        block: whose gradients.
        places: of an example and of a query.
        queries: how many share the forming of an example's matrix.
    """
    return places**2 * (block.rows + block.cols) < block.size * (1 + places / queries)


def _direction(told: Told, turning: Turning, spectrum: Spectrum | None, damping: Damping, queries: int) -> Formed | Factors:
    block, seen = told.block, told.trace
    separable = spectrum is None or (isinstance(damping, Factored) and spectrum.pair is not None)
    if separable and isinstance(seen, Outer) and by_factors(block, max(seen.places, block.places), queries):
        if spectrum is None:
            return Factors(seen)
        assert isinstance(damping, Factored) and spectrum.QA is not None and spectrum.QS is not None
        la, ls = spectrum.split(damping)
        return Factors(Outer(_solved(seen.a, spectrum.QA, la), _solved(seen.delta, spectrum.QS, ls)))
    if spectrum is None:
        return Formed(seen.dense())
    divisor = spectrum.divisor(damping)
    if block.name not in turning or not isinstance(seen, Outer):
        G = seen.dense()
        return Formed(G / divisor.to(G))
    QA, QS = turning.axes(told)
    turned = turning(told)
    return Formed(QS @ turned.div_(divisor.to(turned)) @ QA.T)


def _kept(V: Float[Tensor, "query row col"], keep: Keep) -> tuple[Formed | LowRank, Tensor, Tensor]:
    """The matrices as they are kept, their squared norms, and what of these is left out."""
    whole = V.double().square().sum((1, 2)).cpu() if keep.rank is not None else torch.zeros(len(V), dtype=torch.float64)
    nothing = torch.zeros(len(V), dtype=torch.float64)
    if keep.rank is None or keep.rank * sum(V.shape[1:]) >= V.shape[1] * V.shape[2]:  # the factors would be no smaller
        return Formed(V if keep.dtype is None else V.to(keep.dtype)), whole, nothing
    generator = torch.Generator().manual_seed(0)
    probe = torch.randn(V.shape[2], keep.rank, generator=generator, dtype=torch.float64).to(V)
    left = torch.linalg.qr(V @ probe).Q
    for _ in range(ITERATIONS):
        left = torch.linalg.qr(V @ (V.transpose(1, 2) @ left)).Q
    right = left.transpose(1, 2) @ V
    lost = (whole - right.double().square().sum((1, 2)).cpu()).clamp(min=0)
    return (LowRank(left, right) if keep.dtype is None else LowRank(left.to(keep.dtype), right.to(keep.dtype))), whole, lost


def _solved(rows: Tensor, Q: Tensor, values: Tensor) -> Tensor:
    """(Q diag(values) Q^T)^-1 applied to vectors along the last axis."""
    return (rows @ Q.to(rows) / values.to(rows)) @ Q.to(rows).T


def _joined(parts: Sequence[Kept]) -> Kept:
    """The queries of several passes together; those of fewer places are filled up with zeros."""
    if len(parts) == 1:
        return parts[0]
    if all(isinstance(part, LowRank) for part in parts):
        thin = [part for part in parts if isinstance(part, LowRank)]
        return LowRank(torch.cat([part.left for part in thin]), torch.cat([part.right for part in thin]))
    if not all(isinstance(part, Factors) for part in parts):
        return Formed(torch.cat([part.V if isinstance(part, Formed) else part.outer.dense() for part in parts if not isinstance(part, LowRank)]))
    outers = [part.outer for part in parts if isinstance(part, Factors)]
    most = max(outer.places for outer in outers)
    return Factors(Outer(torch.cat([_filled(o.a, most) for o in outers]), torch.cat([_filled(o.delta, most) for o in outers])))


def _filled(rows: Float[Tensor, "example place axis"], places: int) -> Tensor:
    return torch.nn.functional.pad(rows, (0, 0, 0, places - rows.shape[1]))
