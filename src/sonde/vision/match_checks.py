"""Do matched units hold? On pictures that did not choose the partners, and beside the other network with its filters in random order.

Two networks of chance filters answer alike, too, wherever a picture has contrast: pictures in random order do not show it, shuffled filters do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.evidence import compare
from sonde.nn import filters_permuted
from sonde.results import CheckRefused, InputError, Verdict, shown
from sonde.vision.aligned import shuffled_within

if TYPE_CHECKING:
    import numpy as np

    from sonde.vision.match_results import UnitMatches


@dataclass(frozen=True, eq=False)
class Controls:
    """What one half of the pictures chose, measured on the other.

    Arguments:
        held: of the network itself.
        by_chance: with its pictures in random order.
        unlearnt: of its copies with shuffled filters.
    """

    held: Float[Tensor, " one"]
    by_chance: Float[Tensor, "draw one"]
    unlearnt: Float[Tensor, "draw one"]


def controls(
    found: "UnitMatches", model: Model, other: Model, pictures: "Tensor | np.ndarray | str | Path", draws: int, seed: int, batch_size: int,
    folder: str | Path | None, progress: bool,
) -> Controls:  # fmt: skip
    """Match again, on halves, beside both controls.

    Arguments:
        found: the matches.
        model, other: the networks.
        pictures: the same, or others.
        draws, seed, batch_size, folder, progress: as for `UnitMatches.check`.

    Raises:
        CheckRefused: one of the models is another one.
    """
    from sonde.vision.matching import across_halves, halves, with_copies

    found.refuse_other(model)
    if other.hash != found.other_hash:
        raise CheckRefused(f"units were sought in the model {found.other_hash[:8]}, and the other one given is {other.hash[:8]}: match them again")
    if not isinstance(draws, int) or draws < 2:
        raise InputError(f"draws={shown(draws)}: give a number of 2 or more")
    broken = [Model(filters_permuted(other.module, seed + draw), name=other.name) for draw in range(draws)]
    own, others, copies = with_copies(found, model, other, broken, pictures, seed, batch_size, folder, progress)
    half = halves(len(own), seed)
    generator = torch.Generator().manual_seed(seed + 1)
    by_chance = [across_halves(own, others[shuffled_within(half, generator)], half)[0] for _ in range(draws)]
    unlearnt = [across_halves(own, one, half)[0] for one in copies]
    return Controls(across_halves(own, others, half)[0], torch.stack(by_chance), torch.stack(unlearnt))


def judged(beside: Controls, units: Sequence[int], which: str, where: str) -> list[Verdict]:
    """The two verdicts on some units.

    Arguments:
        beside: what was measured.
        units: by number; those that are silent in a half are left out.
        which: the units, in words.
        where: the other network's layer, in words.
    """
    kept = [unit for unit in units if not bool(beside.held[unit].isnan())]
    held, by_chance, unlearnt = beside.held[kept], beside.by_chance[:, kept], beside.unlearnt[:, kept]
    return [
        _verdict(f"{which} answer like units of {where} on pictures that did not choose them.", held, by_chance),
        _verdict(f"{which} are matched by what {where} learnt: its filters in random order match them less.", held, unlearnt),
    ]


def _verdict(claim: str, held: Float[Tensor, " one"], control: Float[Tensor, "draw one"]) -> Verdict:
    """A unit that a control silences matches with nothing: 0."""
    return compare(
        claim, "correlation with the partner that the other half of the pictures chose, mean over units", held, control.nan_to_num(0), threshold=0.0,
        threshold_source="above zero", exceeding="draw",
    )  # fmt: skip
