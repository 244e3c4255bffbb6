"""Do matched units hold? On pictures that did not choose the partners, and beside the other network with its filters in random order.

Two networks of chance filters answer alike, too, wherever a picture has contrast: pictures in random order do not show it, shuffled filters do.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.evidence import compare
from sonde.nn import filters_permuted
from sonde.results import InputError, Verdict, shown
from sonde.vision.aligned import shuffled_within

if TYPE_CHECKING:
    import numpy as np

    from sonde.vision.match_results import UnitMatches


def checked(
    found: "UnitMatches", model: Model, other: Model, pictures: "Tensor | np.ndarray | str | Path", draws: int, seed: int, batch_size: int
) -> list[Verdict]:  # fmt: skip
    """The verdicts on all units together.

    Arguments:
        found: the matches.
        model, other: the networks.
        pictures: the same, or others.
        draws, seed, batch_size: as for `UnitMatches.check`.
    """
    from sonde.vision.matching import across_halves, halves, with_copies

    if not isinstance(draws, int) or draws < 2:
        raise InputError(f"draws={shown(draws)}: give a number of 2 or more")

    broken = [Model(filters_permuted(other.module, seed + draw), name=other.name) for draw in range(draws)]
    own, others, copies = with_copies(found, model, other, broken, pictures, seed, batch_size)
    half = halves(len(own), seed)
    held = across_halves(own, others, half)[0]
    generator = torch.Generator().manual_seed(seed + 1)
    by_chance = torch.stack([across_halves(own, others[shuffled_within(half, generator)], half)[0] for _ in range(draws)])
    unlearnt = torch.stack([across_halves(own, one, half)[0] for one in copies])
    where = f"{found.other_layer} of {found.other}"
    return [
        _verdict(f"Units of {found.layer} answer like units of {where} on pictures that did not choose them.", held, by_chance),
        _verdict(f"Units of {found.layer} are matched by what {where} learnt: its filters in random order match them less.", held, unlearnt),
    ]


def _verdict(claim: str, held: Float[Tensor, " one"], control: Float[Tensor, "draw one"]) -> Verdict:
    """A unit that a control silences matches with nothing: 0."""
    alive = ~held.isnan()
    return compare(
        claim, "correlation with the partner that the other half of the pictures chose, mean over units", held[alive],
        control[:, alive].nan_to_num(0), threshold=0.0, threshold_source="above zero", exceeding="draw",
    )  # fmt: skip
