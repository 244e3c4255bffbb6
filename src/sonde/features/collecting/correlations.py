"""Which neurons and which other latents a latent is active with, over the tokens of the corpus.

    Pearson r = cov(f, y) / (sd f sd y)        cosine = sum f y / (|f| |y|)

Neurons: from sums over the whole corpus. Latents: over whole sequences drawn at random, as many as a stated number of products allows.

Shape legend: F latents, M neurons, N places.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Integer
from numpy import ndarray
from torch import Tensor

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from scipy.sparse import csr_array

SHOWN = 5
PRODUCTS = 1e8
LEAST = 10
"""Tokens on which a latent must be active: two that fire once each, on the same token, correlate by chance."""
BLOCK = 256


@dataclass(frozen=True, eq=False)
class Sums:
    """What is added up over the places of a corpus.

    Arguments:
        products: codes times activations less the shift.
        total: of the activations less the shift.
        square: of their squares.
        shift: what was taken from them.
    """

    products: Float[Tensor, "latent neuron"]
    total: Float[Tensor, " neuron"]
    square: Float[Tensor, " neuron"]
    shift: Float[Tensor, " neuron"]


@dataclass(frozen=True, eq=False)
class Related:
    """The most related, by the size of Pearson's r.

    Arguments:
        index: which; -1 where there are fewer.
        pearson: its correlation.
        cosine: of the two as vectors over places.
    """

    index: ndarray
    pearson: ndarray
    cosine: ndarray


def with_neurons(sums: Sums, total: Float[ndarray, " latent"], square: Float[ndarray, " latent"], n: int) -> Related:
    """The neurons that each latent goes with, or goes against.

    Arguments:
        sums: over the corpus.
        total: of each latent's activations.
        square: of their squares.
        n: how many places were counted.
    """
    f, ff = torch.as_tensor(total)[:, None], torch.as_tensor(square)[:, None]
    shift = sums.shift.double()
    covariance = sums.products / n - f / n * sums.total / n
    spread = ((ff / n - (f / n) ** 2).clamp(min=0) * (sums.square / n - (sums.total / n) ** 2).clamp(min=0)).sqrt()
    lengths = (ff * (sums.square + 2 * shift * sums.total + n * shift**2).clamp(min=0)).sqrt()
    pearson = torch.where(spread > 0, covariance / spread, 0.0).clamp(-1, 1)
    cosine = torch.where(lengths > 0, (sums.products + shift * f) / lengths, 0.0)
    best = pearson.abs().topk(min(SHOWN, pearson.shape[1])).indices
    silent = (ff == 0).expand_as(best)
    return Related(best.masked_fill(silent, -1).numpy(), pearson.gather(1, best).numpy(), cosine.gather(1, best).numpy())


def with_latents(
    connection: "DuckDBPyConnection", size: int, lengths: ndarray, counted: ndarray, firings: int, seed: int
) -> tuple[Related, int]:  # fmt: skip
    """The latents that each latent goes with, and over how many tokens that was counted.

    Arguments:
        connection: has the codes.
        size: how many latents there are.
        lengths: of the sequences.
        counted: how many places of each were counted.
        firings: entries of all the codes.
        seed: of the draw of sequences.
    """
    few = drawn(lengths, float(firings / counted.sum()), seed)

    def ask(query: str, given: list[Any]) -> dict[str, ndarray]:
        found: dict[str, ndarray] = connection.execute(query, given).fetchnumpy()
        return found

    n = int(counted[few].sum())
    return among(sparse(ask, size, lengths, few), n), n


def drawn(lengths: Integer[ndarray, " sequence"], density: float, seed: int) -> Integer[ndarray, " drawn"]:
    """Sequences drawn at random, as many as the products of their codes allow, in order.

    Arguments:
        lengths: of the sequences.
        density: entries of the codes at each place that are not 0.
        seed: of the draw.
    """
    wanted = PRODUCTS / max(1.0, density**2)
    order = np.random.default_rng(seed).permutation(len(lengths))
    few = order[: max(1, int(np.searchsorted(np.cumsum(lengths[order]), wanted, side="right")))]
    few.sort()
    return few


def sparse(
    ask: Callable[[str, list[Any]], dict[str, ndarray]], size: int, lengths: Integer[ndarray, " sequence"], few: Integer[ndarray, " drawn"]
) -> "csr_array":  # fmt: skip
    """The codes of some sequences as a sparse table, latents by places.

    Arguments:
        ask: answers SQL over the table `codes`.
        size: how many latents there are.
        lengths: of the sequences.
        few: which of them.
    """
    from scipy.sparse import csr_array

    starts = np.full(len(lengths), -1, dtype=np.int64)
    starts[few] = np.cumsum(lengths[few]) - lengths[few]
    whole = len(few) == len(lengths)
    query = "SELECT latent, sequence, position, value FROM codes" + ("" if whole else " WHERE sequence IN (SELECT unnest(?::BIGINT[]))")
    found = ask(query, [] if whole else [few.tolist()])
    place = starts[found["sequence"]] + found["position"]
    return csr_array((found["value"].astype(np.float64), (found["latent"], place)), shape=(size, int(lengths[few].sum())))


def among(codes: "csr_array", n: int, others: "csr_array | None" = None) -> Related:
    """The rows of a sparse table that go together, or those of another table that go with its rows.

    Arguments:
        codes: latents by places.
        n: how many places there are.
        others: other latents by the same places.
    """
    here, b = others is None, codes if others is None else others
    (sum_a, square_a, spread_a, often_a), (sum_b, square_b, spread_b, often_b) = _moments(codes, n), _moments(b, n)
    by_place = b.T.tocsr()
    shown = min(SHOWN, b.shape[0])
    parts = []
    for start in range(0, codes.shape[0], BLOCK):
        rows = slice(start, min(codes.shape[0], start + BLOCK))
        products = (codes[rows] @ by_place).toarray()
        scale, lengths = spread_a[rows, None] * spread_b[None], np.sqrt(square_a[rows, None] * square_b[None])
        covariance = products / n - sum_a[rows, None] * sum_b[None] / n**2
        pearson = np.divide(covariance, scale, out=np.zeros_like(products), where=scale > 0)
        cosine = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)
        seen = often_a[rows, None] & often_b[None] & (products != 0)
        if here:
            seen[np.arange(len(seen)), np.arange(rows.start, rows.stop)] = False
        best = _top(np.where(seen, np.abs(pearson), -1.0), shown)
        index = np.where(np.take_along_axis(seen, best, 1), best, -1)
        parts.append((index, np.take_along_axis(pearson, best, 1).clip(-1, 1), np.take_along_axis(cosine, best, 1)))
    return Related(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _moments(codes: "csr_array", n: int) -> tuple[ndarray, ndarray, ndarray, ndarray]:
    """Sums, sums of squares and standard deviations of the rows, and whether they are active often enough."""
    total, square = codes.sum(1), codes.multiply(codes).sum(1)
    return total, square, np.sqrt(np.maximum(square / n - (total / n) ** 2, 0)), np.diff(codes.indptr) >= LEAST


def _top(values: ndarray, k: int) -> ndarray:
    """The columns of the k largest of each row, the largest first."""
    some = np.argpartition(-values, k - 1, axis=1)[:, :k]
    return np.take_along_axis(some, np.argsort(-np.take_along_axis(values, some, 1), axis=1, kind="stable"), 1)
