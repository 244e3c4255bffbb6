"""A linear map kept as the product of its factors: what a path through a model does, without any matrix of tokens by tokens.

Vectors are rows, so that x goes to x F_1 F_2 ... F_n. A head's map from tokens to tokens has as many rows and columns as there are tokens, and passes
through a few dozen dimensions on its way: norms, singular values and eigenvalues are those of small matrices,

    |F_1 ... F_n|        with each end replaced by its triangular factor (F_1 = Q R, and Q keeps lengths)
    eig(A B) = eig(B A)  up to zeros

and its largest entries are found some rows at a time. Factors may have leading axes, such as one for heads, which broadcast.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from sonde.results import InputError

MOST = 2**26
"""Numbers of a matrix that is still written out."""
AT_ONCE = 2**24
"""Numbers of the rows that are looked at together."""


@dataclass(frozen=True, eq=False, repr=False)
class LinearMap:
    """A product of matrices that is not multiplied out.

    Arguments:
        factors: the matrices (..., in, out), in the order in which a row vector meets them.
        notes: what was folded into them, and what was left out.

    Raises:
        InputError: no factor, or two that don't fit.

    >>> narrow = LinearMap((torch.ones(50, 2), torch.ones(2, 50)))
    >>> narrow.shape, round(float(narrow.norm()), 3), round(float(narrow.eigenvalues().real.max()), 3)
    ((50, 50), 100.0, 100.0)
    """

    factors: tuple[Tensor, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.factors:
            raise InputError("a linear map needs a factor")
        for first, second in pairwise(self.factors):
            if first.shape[-1] != second.shape[-2]:
                raise InputError(f"a map to {first.shape[-1]} dimensions can't be followed by one from {second.shape[-2]}")

    @property
    def shape(self) -> tuple[int, ...]:
        """The leading axes, then rows and columns."""
        leading = torch.broadcast_shapes(*(factor.shape[:-2] for factor in self.factors))
        return (*leading, self.factors[0].shape[-2], self.factors[-1].shape[-1])

    @property
    def T(self) -> "LinearMap":
        """The transposed map."""
        return LinearMap(tuple(factor.mT for factor in reversed(self.factors)), self.notes)

    def __matmul__(self, other: "LinearMap") -> "LinearMap":
        """This map, then the other."""
        return LinearMap(self.factors + other.factors, tuple(dict.fromkeys(self.notes + other.notes)))

    def __getitem__(self, index: int | slice | tuple[int | slice | None, ...] | None) -> "LinearMap":
        """The map at a place of the leading axes, such as that of one head."""
        leading = len(self.shape) - 2
        whole = [factor.reshape(*[1] * (leading + 2 - factor.ndim), *factor.shape) for factor in self.factors]
        spread = [factor.expand(*self.shape[:-2], *factor.shape[-2:]) for factor in whole]
        return LinearMap(tuple(factor[index] for factor in spread), self.notes)

    def __repr__(self) -> str:
        *leading, rows, columns = self.shape
        of = f"{' x '.join(map(str, leading))} maps" if leading else "map"
        widths = " > ".join(str(factor.shape[-2]) for factor in self.factors)
        return f"{of} of {rows} x {columns}, through {widths} > {columns}"

    # numbers of the matrix

    def dense(self) -> Float[Tensor, "*leading row column"]:
        """The matrix, multiplied out.

        Raises:
            InputError: it would hold too many numbers.
        """
        if math.prod(self.shape) > MOST:
            raise InputError(f"{self!r} would be {math.prod(self.shape):,} numbers: take its rows, its top entries or its singular values")
        left, right = self.halves()
        return left @ right

    def halves(self) -> tuple[Tensor, Tensor]:
        """Two factors whose product is the map: all that comes before its narrowest place, and all that comes after it."""
        if len(self.factors) == 1:
            return self.factors[0], torch.eye(self.factors[0].shape[-1])
        cut = 1 + min(range(len(self.factors) - 1), key=lambda i: self.factors[i].shape[-1])
        return _backwards(self.factors[:cut]), _forwards(self.factors[cut:])

    def rows(self, ids: Sequence[int] | Int[Tensor, " kept"]) -> Float[Tensor, "*leading kept column"]:
        """Some rows of the matrix.

        Arguments:
            ids: which.
        """
        left, right = self.halves()
        return left[..., torch.as_tensor(ids), :] @ right

    def top(self, k: int, largest: bool = True) -> tuple[Float[Tensor, "*leading k"], Int[Tensor, "*leading k 2"]]:
        """The largest entries of the whole matrix, largest first, with their rows and columns.

        Arguments:
            k: how many.
            largest: or the smallest.
        """
        columns, leading = self.shape[-1], self.shape[:-2]
        values, places = torch.empty(*leading, 0), torch.empty(*leading, 0, dtype=torch.long)
        for begin, block in self._blocks():
            best = block.flatten(-2).topk(min(k, block.shape[-2] * columns), largest=largest)
            values, places = torch.cat([values, best.values], -1), torch.cat([places, best.indices + begin * columns], -1)
            kept = values.topk(min(k, values.shape[-1]), largest=largest)
            values, places = kept.values, places.gather(-1, kept.indices)
        return values, torch.stack([places // columns, places % columns], -1)

    def top_of_rows(self, k: int, largest: bool = True) -> tuple[Float[Tensor, "*leading row k"], Int[Tensor, "*leading row k"]]:
        """The largest entries of every row, with their columns.

        Arguments:
            k: how many of each.
            largest: or the smallest.
        """
        best = [block.topk(min(k, self.shape[-1]), largest=largest) for _, block in self._blocks()]
        return torch.cat([one.values for one in best], -2), torch.cat([one.indices for one in best], -2)

    def standardised(self) -> "LinearMap":
        """The map each of whose rows has the mean 0 and the deviation 1; rows that are constant become 0."""
        left, right = self.halves()
        right = right - right.mean(-1, keepdim=True)
        moments = (right.double() @ right.mT.double()) / right.shape[-1]
        spread = ((left.double() @ moments) * left.double()).sum(-1, keepdim=True).clamp(min=0).sqrt().float()
        # a constant row has a spread of rounding only
        size = left.norm(dim=-1, keepdim=True) * right.norm(dim=-2).amax(-1)[..., None, None]
        return LinearMap((torch.where(spread > 1e-6 * size, left / spread, 0.0), right), self.notes)

    # numbers of the map

    def norm(self) -> Float[Tensor, "*leading"]:
        """The Frobenius norm: the root of the sum of the squares of all entries."""
        return torch.linalg.matrix_norm(self._core())

    def singular_values(self) -> Float[Tensor, "*leading rank"]:
        """The singular values that the narrowest place allows for, largest first."""
        return torch.linalg.svdvals(self._core())

    def eigenvalues(self) -> Complex[Tensor, "*leading rank"]:
        """The eigenvalues that the narrowest place allows for; all others are 0.

        Raises:
            InputError: the map does not lead back to the space that it comes from.
        """
        if self.shape[-1] != self.shape[-2]:
            raise InputError(f"{self!r} has no eigenvalues: it leads to another space than it comes from")
        cut = min(range(len(self.factors)), key=lambda i: self.factors[i].shape[-2])
        turned = self.factors[cut:] + self.factors[:cut]
        return torch.linalg.eigvals(_forwards(turned).double())

    def _core(self) -> Float[Tensor, "*leading row column"]:
        """A small matrix with the same singular values, but for zeros: each long end is replaced by its triangular factor."""
        factors = list(_shortened(self.factors))
        factors = [factor.mT for factor in reversed(list(_shortened(tuple(factor.mT for factor in reversed(factors)))))]
        return _forwards(factors)

    def _blocks(self) -> Iterator[tuple[int, Float[Tensor, "*leading some column"]]]:
        """The matrix some rows at a time, each with the number of its first row."""
        left, right = self.halves()
        step = max(1, AT_ONCE // max(1, math.prod(self.shape) // self.shape[-2]))
        for begin in range(0, self.shape[-2], step):
            yield begin, left[..., begin : begin + step, :] @ right


def _forwards(factors: Sequence[Tensor]) -> Tensor:
    product = factors[0]
    for factor in factors[1:]:
        product = product @ factor
    return product


def _backwards(factors: Sequence[Tensor]) -> Tensor:
    product = factors[-1]
    for factor in reversed(factors[:-1]):
        product = factor @ product
    return product


def _shortened(factors: tuple[Tensor, ...]) -> Iterator[Tensor]:
    """The factors with a tall first one replaced by its triangular factor, where what narrows it further is multiplied first."""
    first, *others = factors
    while others and first.shape[-2] > first.shape[-1] >= others[0].shape[-1]:
        first = first @ others.pop(0)
    if first.shape[-2] > first.shape[-1]:
        first = torch.linalg.qr(first.double(), mode="r").R
    yield first.double()
    yield from (factor.double() for factor in others)
