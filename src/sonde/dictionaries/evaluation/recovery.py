"""Are the learned directions the true ones? Best cosines both ways, one-to-one matching, beside random directions.

    MMCS(A -> B) = mean_a max_b cos(a, b)        MCC = the mean abs(cos) of the best one-to-one matching (Hungarian)

MMCS is not symmetric, and grows with the number of directions alone: random ones of the same number are the baseline.

Shape legend: G true directions, F learned ones, D entries.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from sonde.evidence import random_directions
from sonde.results import InputError

FOUND = 0.9
"""A true direction is found where a learned one has a greater cosine with it."""
MOST = 8192
"""Directions that are matched one to one: the time grows with the cube of their number."""
DRAWS = 4


@dataclass(frozen=True, eq=False)
class Recovery:
    """Learned directions held against true ones.

    Arguments:
        mmcs: mean best cosine of the true directions.
        mmcs_back: mean best cosine of the learned ones.
        mcc: mean absolute cosine of the best one-to-one matching; nan where there are too many to match.
        found: share of the true ones with a best cosine above 0.9.
        best: best cosine of each true direction.
    """

    mmcs: float
    mmcs_back: float
    mcc: float
    found: float
    best: Float[Tensor, " true"]


def cosines(a: Float[Tensor, "a width"], b: Float[Tensor, "b width"]) -> Float[Tensor, "a b"]:
    """The cosine of every pair; 0 where a direction is 0.

    Arguments:
        a, b: directions of the same space.

    Raises:
        InputError: directions of different spaces, or not finite.
    """
    if a.shape[1] != b.shape[1]:
        raise InputError(f"directions of {a.shape[1]} and of {b.shape[1]} entries have no angles: compare their activations instead")
    if not (a.isfinite().all() and b.isfinite().all()):
        raise InputError("directions that are not finite have no angles: this basis is broken")
    return normalize(a.detach().float(), dim=1) @ normalize(b.detach().float(), dim=1).T


def matched(similarity: Float[Tensor, "a b"]) -> tuple[Int[Tensor, " pair"], Int[Tensor, " pair"]]:
    """The one-to-one matching with the greatest sum (Hungarian).

    Arguments:
        similarity: of every pair.

    Returns:
        The rows and the columns of the pairs.
    """
    from scipy.optimize import linear_sum_assignment

    rows, cols = linear_sum_assignment(similarity.cpu().numpy(), maximize=True)
    return torch.from_numpy(rows), torch.from_numpy(cols)


def recovery(truth: Float[Tensor, "true width"], learned: Float[Tensor, "learned width"]) -> Recovery:
    """Hold learned directions against true ones.

    Arguments:
        truth: known directions.
        learned: those of a dictionary.

    Raises:
        InputError: directions of different spaces, none, or not finite.

    >>> truth = torch.eye(4)
    >>> recovery(truth, truth[[2, 0, 1]]).mmcs
    0.75
    """
    if not (len(truth) and len(learned)):
        raise InputError(f"{len(truth)} true and {len(learned)} learned directions: give at least one of each")
    found = cosines(truth, learned)
    mcc = float("nan")
    if max(found.shape) <= MOST:
        mcc = float(found[matched(found.abs())].abs().mean())
    best = found.max(1).values
    return Recovery(float(best.mean()), float(found.max(0).values.mean()), mcc, float((best > FOUND).double().mean()), best)


def by_chance(truth: Float[Tensor, "true width"], size: int, seed: int = 0, draws: int = DRAWS) -> list[Recovery]:
    """The same of random directions, as many as a dictionary has: what a score must exceed.

    Arguments:
        truth: known directions.
        size: how many random ones.
        seed: of the draws.
        draws: how often.
    """
    return [recovery(truth, random_directions(truth.shape[1], size, seed + draw)) for draw in range(draws)]
