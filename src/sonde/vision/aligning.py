"""Are two units the same but for a turn? Their closest agreement over a group, beside what the best of so many turns gives between unrelated ones.

    c(i, j) = max over g of corr(R_i(x), R_j(g x)),    R[unit, at, across]

`at` goes round (an angle, a hue), so that turns are shifts along it, found all at once by the Fourier transform; each row's mean over `at` is
removed, so that only what changes with the angle counts. The maximum is large between unrelated units, too, the more so the smoother they are. The
null therefore keeps what makes them smooth: every unit's amplitude at every frequency of `at`, and how its rows go together there; only the phases
of the frequencies are drawn at random (Theiler et al. 1992, with one phase for all rows). The same maximum over the group is taken of it.

A pair whose curves have few frequencies agrees well by chance: a single wave is every other one, turned. So each pair has a null of its own,

    z = artanh c,    t = (z - mean) / deviation,    cut(i, j) = tanh(mean + q deviation)

with q the 95 % quantile of the largest t over all pairs (Westfall & Young 1993): the chance of any pair above its cut, where none belong together, is
5 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from sonde.jobs import rows_within, track
from sonde.results import InputError

NEAREST = 1 - 1e-6  # a correlation beyond it is taken for it: artanh of 1 is infinite
EQUAL = 1e-3  # of elements that agree as well as that, the first one counts
CERTAIN = 0.95


@dataclass(frozen=True, eq=False)
class Element:
    """What may be done to a unit before it is turned.

    Arguments:
        name: such as "mirrored"; empty of nothing.
        mirrored: whether `at` runs backwards.
        first, second: which mixture of rows of the one unit is compared with which of the other.
    """

    name: str
    mirrored: bool
    first: Float[Tensor, "row across"]
    second: Float[Tensor, "row across"]


@dataclass(frozen=True, eq=False)
class Alignment:
    """The best agreement of every pair.

    Arguments:
        correlation: of each unit with each other one.
        element: by number, which leads from the second to the first.
        shift: by how many places of `at` the second is turned after it.
        cut: what exceeds it is no chance, at 5 % for all pairs together.
        maxima: the largest t of each draw of the null.
    """

    correlation: Float[Tensor, "unit other"]
    element: Int[Tensor, "unit other"]
    shift: Int[Tensor, "unit other"]
    cut: Float[Tensor, "unit other"]
    maxima: Float[Tensor, " draw"]


def aligned(
    values: Float[Tensor, "unit at across"], elements: Sequence[Element], draws: int, seed: int, progress: bool = False
) -> Alignment:  # fmt: skip
    """Align every pair of units, and draw the null.

    Arguments:
        values: of each unit over what goes round, and over anything else.
        elements: the simplest first.
        draws: of the null.
        seed: of its phases.
        progress: show a bar.
    """
    waves, n = waves_of(values), values.shape[1]
    correlation, element, shift = closest(waves, n, elements)
    above = torch.triu_indices(len(values), len(values), 1)
    if rows_within(4 * above.shape[1]) < draws:
        raise InputError(f"{len(values)} units make {above.shape[1]} pairs, and {draws} draws of them exceed the memory: name fewer units")
    generator = torch.Generator().manual_seed(seed)
    chance = torch.empty(draws, above.shape[1])
    for draw in track(range(draws), "turning chance", shown=progress):
        best = closest(scrambled(waves, n, generator), n, elements)[0]
        chance[draw] = best[above[0], above[1]].clamp(-NEAREST, NEAREST).atanh()
    middle, spread = chance.mean(0), chance.std(0).clamp(min=1e-6)
    # a draw is held against the others, as the true pairs are held against all: its own place in the mean and the deviation would hide it
    away = chance - middle
    left = (((draws - 1) * spread.square() - away.square() * draws / (draws - 1)) / (draws - 2)).clamp(min=1e-12).sqrt()
    maxima = (away * draws / (draws - 1) / left).amax(1) if above.shape[1] else torch.zeros(draws)
    limit = (middle + maxima.quantile(CERTAIN) * spread).tanh()
    cut = torch.ones_like(correlation)
    cut[above[0], above[1]] = cut[above[1], above[0]] = limit
    return Alignment(correlation, element, shift, cut, maxima)


def waves_of(values: Float[Tensor, "unit at across"]) -> Complex[Tensor, "unit frequency across"]:
    """The Fourier transform along what goes round, without each row's mean."""
    waves = torch.fft.rfft(values, dim=1)
    waves[:, 0] = 0
    # rounding is no tuning: what lies a million times below the unit's own size is none
    flat = waves.abs().amax((1, 2)) <= 1e-6 * values.abs().amax((1, 2)).clamp(min=1e-30) * values.shape[1]
    return waves.masked_fill(flat[:, None, None], 0)


def scrambled(waves: Complex[Tensor, "unit frequency across"], n: int, generator: torch.Generator) -> Complex[Tensor, "unit frequency across"]:
    """The same amplitudes with random phases, one for each unit and frequency."""
    turns = torch.rand(waves.shape[:2], generator=generator)
    if n % 2 == 0:
        turns[:, -1] = (turns[:, -1] < 0.5) / 2  # of the highest frequency only the sign is free
    return waves * torch.polar(torch.ones_like(turns), 2 * torch.pi * turns)[..., None]


def closest(
    waves: Complex[Tensor, "unit frequency across"], n: int, elements: Sequence[Element]
) -> tuple[Float[Tensor, "unit other"], Int[Tensor, "unit other"], Int[Tensor, "unit other"]]:  # fmt: skip
    """The largest correlation of every pair over all elements and turns, and where it is reached; of units without waves zero."""
    units = len(waves)
    best = torch.full((units, units), -torch.inf)
    which, shift = torch.zeros(units, units, dtype=torch.int64), torch.zeros(units, units, dtype=torch.int64)
    for number, element in enumerate(elements):
        first = torch.einsum("ufa,ra->fur", waves, element.first.to(waves))
        second = torch.einsum("ufa,ra->fur", waves.conj() if element.mirrored else waves, element.second.to(waves))
        sizes = [_size(one, n) for one in (first, second)]
        rows = max(1, rows_within(units * n * 16))
        for start in range(0, units, rows):
            part = slice(start, start + rows)
            product = first[:, part] @ second.mH
            over = torch.fft.irfft(product, n=n, dim=0)
            top, turn = over.max(0)
            top = top / (sizes[0][part, None] * sizes[1][None]).clamp(min=1e-30)
            better = top > best[part] + (EQUAL if number else 0)
            best[part] = torch.where(better, top, best[part])
            which[part] = which[part].masked_fill(better, number)
            shift[part] = torch.where(better, turn, shift[part])
    return best, which, shift


def _size(waves: Complex[Tensor, "frequency unit row"], n: int) -> Float[Tensor, " unit"]:
    """The norm of the curves that have these waves."""
    weight = torch.full((len(waves), 1), 2.0)
    weight[0] = 1
    if n % 2 == 0:
        weight[-1] = 1
    return ((waves.abs().square().sum(2) * weight).sum(0) / n).sqrt()
