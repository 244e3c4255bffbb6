"""Does a layer of another network say what a layer says, and was it learnt? Debiased CKA on blocks of pictures, beside two controls.

Blocks of pictures are independent, so that they count as examples, and the unbiased estimate serves them though each is small. In each random order
of the pictures, and each copy of the other network with shuffled filters, the most similar layer is chosen anew: the choice is in the control.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Model
from sonde.evidence import compare, untestable
from sonde.nn import filters_permuted
from sonde.results import InputError, Verdict, shown
from sonde.vision.aligned import copy_of, rows, shuffled_within
from sonde.vision.matching import two_sides
from sonde.vision.measures import centred, ratio, unbiased
from sonde.vision.similarity import LEAST

if TYPE_CHECKING:
    import numpy as np

    from sonde.vision.similarity_results import Similarity

BLOCKS = 8


def checked(
    found: "Similarity", model: Model, other: Model, pictures: "Tensor | np.ndarray | str | Path", draws: int, seed: int, batch_size: int,
    folder: str | Path | None, progress: bool,
) -> list[Verdict]:  # fmt: skip
    """Two verdicts on each layer.

    Arguments:
        found: the comparison.
        model, other: the networks.
        pictures: the same, or others.
        draws, seed, batch_size, folder, progress: as for `Similarity.check`.
    """
    if not isinstance(draws, int) or draws < 2:
        raise InputError(f"draws={shown(draws)}: give a number of 2 or more")

    sides = two_sides(model, found.layers, other, found.other_layers, pictures, found.normalise, found.other_normalise, found.size, found.other_size)
    broken = [Model(filters_permuted(other.module, seed + draw), name=other.name) for draw in range(draws)]
    sides[0].fields, sides[1].fields = list(found.fields), list(found.other_fields)
    everyone = [*sides, *(copy_of(sides[1], one) for one in broken)]
    own, others, *copies = rows(everyone, found.samples, LEAST, seed, batch_size, folder, progress).values
    generator = torch.Generator().manual_seed(seed)
    block = torch.randperm(len(own[0]), generator=generator) % BLOCKS
    true = _best_by_block(own, others, block)
    orders = [shuffled_within(block, generator) for _ in range(draws)]
    by_chance = torch.stack([_best_by_block(own, [one[order] for one in others], block) for order in orders])
    unlearnt = torch.stack([_best_by_block(own, one, block) for one in copies])
    verdicts = []
    for i, layer in enumerate(found.layers):
        verdicts.append(_verdict(f"A layer of {found.other} says what {layer} says about a picture.", true[i], by_chance[:, i]))
        claim = f"{found.other} learnt a layer like {layer}: with its filters in random order none is as much like it."
        verdicts.append(_verdict(claim, true[i], unlearnt[:, i]))
    return verdicts


def _best_by_block(own: Sequence[Tensor], others: Sequence[Tensor], block: Int[Tensor, " picture"]) -> Float[Tensor, "one block"]:
    """For each layer, debiased CKA in each block of pictures with the layer that is most like it on all of them."""
    theirs = [centred(one.flatten(0, 1)) for one in others]
    found = []
    for x in own:
        mine = centred(x.flatten(0, 1))
        shared = torch.tensor([ratio(unbiased, mine, one) for one in theirs])
        y = others[int(shared.nan_to_num(-torch.inf).argmax())]
        parts = [(centred(x[block == one].flatten(0, 1)), centred(y[block == one].flatten(0, 1))) for one in range(BLOCKS)]
        found.append(torch.tensor([ratio(unbiased, *pair) for pair in parts]))
    return torch.stack(found)


def _verdict(claim: str, measured: Float[Tensor, " block"], control: Float[Tensor, "draw block"]) -> Verdict:
    """Too few samples in a block leave the estimate without a number."""
    measure, threshold, source = "debiased CKA with the layer that is most like it, mean over blocks of pictures", 0.0, "above zero"
    if not bool(measured.isfinite().all()) or not bool(control.isfinite().all()):
        reason = "in a block of pictures the unbiased estimate of a layer with itself is not above 0: give more pictures"
        return untestable(claim, measure, reason, threshold=threshold, threshold_source=source)
    return compare(claim, measure, measured, control, threshold=threshold, threshold_source=source, exceeding="draw")
