"""What makes codes sparse, as a function of the active values f and of the lengths of their directions, with its slopes.

Shape legend: E entries, F latents.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.dictionaries.architectures import L0, L1, Tanh
from sonde.dictionaries.sparse import Entries

SOFT = 1e-3
"""Added to values before a power below 1 is taken, so that its slope stays finite at 0."""


@dataclass(frozen=True, eq=False)
class Penalty:
    """A penalty of some codes, and its slopes.

    Arguments:
        value: a mean over rows.
        by_value: its slope by each entry.
        by_length: its slope by the length of each latent's direction; `None` where lengths do not count.
    """

    value: Tensor
    by_value: Float[Tensor, " entries"]
    by_length: Float[Tensor, " size"] | None = None


def penalty(
    term: L1 | Tanh, entries: Entries, f: Float[Tensor, " entries"], lengths: Float[Tensor, " size"], weight: float, p: float = 1.0
) -> Penalty:
    """The penalty of some entries.

    Arguments:
        term: which.
        entries: the active ones.
        f: their values; signs do not matter.
        lengths: of the latents' directions.
        weight: what the term is multiplied by now.
        p: the power now, of L1.
    """
    n, size, sign = len(entries.offsets), f.abs(), f.sign()
    if isinstance(term, L1):
        powered = size if p == 1 else (size + SOFT) ** p - SOFT**p
        slope = torch.ones_like(size) if p == 1 else p * (size + SOFT) ** (p - 1)
        if not term.lengths:
            return Penalty(powered.sum() * (weight / n), slope * sign * (weight / n))
        long = lengths.index_select(0, entries.latents)
        return Penalty((powered * long).sum() * (weight / n), slope * sign * long * (weight / n), entries.summed(powered) * (weight / n))
    long = lengths.index_select(0, entries.latents)
    bent = torch.tanh(term.c * size * long)
    slope = (1 - bent**2) * (term.c * weight / n)
    return Penalty(bent.sum() * (weight / n), slope * long * sign, entries.summed(slope * size))


def counted(term: L0, active: float, weight: float) -> tuple[float, float]:
    """The penalty of a mean number of active latents, and its slope by that number.

    Arguments:
        term: with or without a target.
        active: the number.
        weight: what the term is multiplied by now.
    """
    if term.target is None:
        return weight * active, weight
    away = active / term.target - 1
    return weight * away**2, 2 * weight * away / term.target


def lengths_of(decoder: Float[Tensor, "size out"], parts: tuple[int, ...]) -> Float[Tensor, " size"]:
    """The length of each direction; of a crosscoder, the sum of its parts' lengths.

    Arguments:
        decoder: the directions.
        parts: widths of what is written, side by side.
    """
    return sum((part.norm(dim=1) for part in decoder.split(list(parts), dim=1)), torch.zeros_like(decoder[:, 0]))


def stretched(decoder: Float[Tensor, "size out"], parts: tuple[int, ...], by_length: Float[Tensor, " size"]) -> Float[Tensor, "size out"]:
    """The slope by directions of something whose slope by their lengths is known.

    Arguments:
        decoder: the directions.
        parts: widths of what is written, side by side.
        by_length: the slope by each length.
    """
    found = [part * (by_length / part.norm(dim=1).clamp(min=1e-12))[:, None] for part in decoder.split(list(parts), dim=1)]
    return found[0] if len(found) == 1 else torch.cat(found, dim=1)
