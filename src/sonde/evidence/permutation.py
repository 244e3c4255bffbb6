"""Whether a difference is more than chance, without a word about distributions: tests by permutation, and Holm's correction for many of them."""

import itertools
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.evidence.blocks import Blocks, numbered
from sonde.evidence.intervals import finite

Direction = Literal["greater", "less", "either"]


def sign_flips(differences: Float[Tensor, " example"], direction: Direction = "greater", draws: int = 10_000, seed: int = 0) -> float:
    """The p-value of the mean of paired differences, when each could as well have had the other sign.

    All 2^n signs are tried where these are at most `draws`, so that the p-value is exact; else random ones, the observed among them (Fisher 1935).

    Arguments:
        differences: measured minus control, one per example; of examples in blocks the means of the blocks (`block_means`).
        direction: of the claim.
        draws: how many signs are tried at most.
        seed: of the random signs.

    Raises:
        InputError: for no examples, or values that are not finite.

    >>> sign_flips(torch.ones(5))
    0.03125
    """
    differences = finite(differences, least=1)
    n = len(differences)
    if 2**n <= draws:
        signs = torch.tensor(list(itertools.product((1.0, -1.0), repeat=n)), dtype=torch.float64)
        return _share(signs @ differences, differences.sum(), direction)
    generator = torch.Generator().manual_seed(seed)
    signs = torch.randint(0, 2, (draws - 1, n), generator=generator).double() * 2 - 1
    return _share(torch.cat([signs @ differences, differences.sum().reshape(1)]), differences.sum(), direction)


def relabelling(
    measured: Float[Tensor, " example"],
    control: Float[Tensor, " other"],
    direction: Direction = "greater",
    draws: int = 10_000,
    seed: int = 0,
    blocks: tuple[Blocks, Blocks] | None = None,
) -> float:
    """The p-value of the difference of two groups' means, when every value could as well have come from the other group.

    Arguments:
        measured: one group.
        control: the other; not paired with the first.
        direction: of the claim.
        draws: how many relabellings are tried, the observed one among them.
        seed: of the relabellings.
        blocks: the block of each value of both groups, such as its template, where blocks differ: values are then relabelled within their block.

    Raises:
        InputError: for an empty group, or values that are not finite.

    >>> relabelling(torch.arange(10.0) + 20, torch.arange(10.0), draws=1000)
    0.001
    """
    measured, control = finite(measured, least=1), finite(control, least=1)
    both = torch.cat([measured, control])
    generator = torch.Generator().manual_seed(seed)
    places = torch.zeros(len(both)) if blocks is None else numbered([*blocks[0], *blocks[1]], len(both))
    # block by block, and within each in random order: who then stands where the measured stood counts as measured
    order = (places + torch.rand(draws - 1, len(both), generator=generator, dtype=torch.float64)).argsort(1)
    stood = (torch.arange(len(both)) < len(measured))[places.argsort(stable=True)].double()
    # among relabellings of the same values the mean of one group decides the difference
    means = both[order] @ stood / len(measured)
    return _share(torch.cat([means, measured.mean().reshape(1)]) - both.mean(), measured.mean() - both.mean(), direction)


def holm(p_values: Float[Tensor, " claim"]) -> Float[Tensor, " claim"]:
    """The p-values of several claims, raised so that the chance of any false one among those below 0.05 stays under 0.05 (Holm 1979).

    >>> holm(torch.tensor([0.01, 0.04, 0.03]))
    tensor([0.0300, 0.0600, 0.0600])
    """
    ordered, order = p_values.sort()
    factors = torch.arange(len(p_values), 0, -1, dtype=ordered.dtype)
    raised = (ordered * factors).cummax(0).values.clamp(max=1)
    return torch.empty_like(raised).scatter_(0, order, raised)


def _share(drawn: Tensor, observed: Tensor, direction: Direction) -> float:
    """The share of draws at least as extreme as the observed one; rounding must not part values that are equal on paper."""
    slack = 1e-12 * drawn.abs().max()
    if direction == "less":
        drawn, observed = -drawn, -observed
    if direction == "either":
        drawn, observed = drawn.abs(), observed.abs()
    return float((drawn >= observed - slack).double().mean())
