"""Fit an eraser of any kind."""

from typing import Literal, get_args

from jaxtyping import Float, Int, Shaped
from torch import Tensor

from sonde.probing.erasure.eraser import Eraser
from sonde.probing.erasure.inlp import inlp
from sonde.probing.erasure.oracle import OracleEraser
from sonde.probing.erasure.sums import LeaceSums
from sonde.results import InputError, shown

Kind = Literal["leace", "mean", "inlp"]
NAMES: dict[Kind, str] = {"leace": "LEACE", "mean": "mean projection", "inlp": "INLP"}


def erase(
    x: Float[Tensor, "n width"], targets: Shaped[Tensor, " n"], kind: Kind = "leace", groups: Int[Tensor, " n"] | None = None, seed: int = 0
) -> Eraser:  # fmt: skip
    """Fit the map that takes a concept out of activations.

    Arguments:
        x: activations.
        targets: the number of each one's class; or numbers, of which no linear regression shall find anything (not for INLP).
        kind: "leace", "mean" (orthogonal, along the classes' means) or "inlp" (trained classifiers, one after the other).
        groups: for INLP: examples that must not be divided between its training and its judgement.
        seed: of that division.

    Raises:
        InputError: another kind; activations that are not finite; one class only.

    >>> import torch
    >>> x = torch.randn(60, 5, generator=torch.Generator().manual_seed(0))
    >>> erase(x, (x[:, 2] > 0).long()).rank
    1
    """
    return fitted(x, targets, summed(x, targets), kind, groups, seed)


def oracle_leace(x: Float[Tensor, "n width"], targets: Shaped[Tensor, " n"]) -> OracleEraser:
    """Fit the eraser of a concept whose labels are known wherever it is used: beside it stands what LEACE changes for want of them.

    Arguments:
        x: activations.
        targets: the number of each one's class; or numbers.

    Raises:
        InputError: activations that are not finite; one class only.

    >>> import torch
    >>> x = torch.randn(60, 5, generator=torch.Generator().manual_seed(0))
    >>> y = (x[:, 2] > 0).long()
    >>> oracle_leace(x, y).change < erase(x, y).change
    True
    """
    return summed(x, targets).oracle()


def summed(x: Float[Tensor, "n width"], targets: Shaped[Tensor, " n"]) -> LeaceSums:
    """The sums of activations with their targets, which every eraser and its controls are made of.

    Arguments:
        x: activations.
        targets: the number of each one's class, or numbers.

    Raises:
        InputError: as for `LeaceSums.update`; one class only.
    """
    if targets.is_floating_point():
        return LeaceSums(x.shape[1], 1).update(x, targets)
    if len(targets.unique()) < 2:
        raise InputError(f"all {len(targets)} activations have one class: there is nothing to take out; give examples of two at least")
    return LeaceSums(x.shape[1], int(targets.max()) + 1).update(x, targets)


def fitted(
    x: Float[Tensor, "n width"], targets: Shaped[Tensor, " n"], sums: LeaceSums, kind: Kind, groups: Int[Tensor, " n"] | None = None, seed: int = 0
) -> Eraser:  # fmt: skip
    """The eraser of a kind, where the sums are there already.

    Arguments:
        x, targets, kind, groups, seed: as for `erase`.
        sums: over these activations and targets.
    """
    if str(kind) == "oracle":
        raise InputError("kind='oracle' needs each example's own label wherever it is used: call oracle_leace(x, y), or take kind='leace'")
    if kind not in get_args(Kind):
        raise InputError(f"kind={shown(kind, 40)}: choose {', '.join(map(repr, get_args(Kind)))}")
    if kind == "inlp":
        return inlp(x, targets, sums, groups, seed=seed)
    return sums.leace() if kind == "leace" else sums.mean_projection()
