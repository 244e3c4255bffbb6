"""Which latents of a dictionary are active: from what the encoder gives to sparse codes.

| name | kept |
| --- | --- |
| `relu` | every z above 0 |
| `topk` | the k largest z of a row, those above 0 |
| `abstopk` | the k largest abs(z) of a row, with their signs |
| `groupmax` | the largest z of each of k groups of neighbours, if above 0 |
| `jumprelu` | every z above its latent's threshold, as it is |
| `gated` | where a gate is open, a second linear reading of the same z, if above 0 |

Shape legend: N rows, F latents.
"""

from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.bases import Codes
from sonde.results import InputError, shown

Activation = Literal["relu", "topk", "abstopk", "groupmax", "jumprelu", "gated"]
ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)
COUNTED: tuple[Activation, ...] = ("topk", "abstopk", "groupmax")
"""Those that keep a number k of latents."""
GROUP = 32
"""Neighbours that are looked at together."""


def select(
    z: Float[Tensor, "rows size"], activation: Activation, k: int | None = None, threshold: Float[Tensor, " size"] | None = None,
) -> Codes:  # fmt: skip
    """The active latents of each row; a gate's are made by `gated`.

    Arguments:
        z: what the encoder gives.
        activation: its name.
        k: how many are kept, of those that count.
        threshold: of each latent, for `jumprelu`.
    """
    if activation in COUNTED:
        latents, values = counted(z, activation, k or 0)
        offsets = torch.arange(0, latents.numel(), latents.shape[1], device=z.device)
        return Codes(values.reshape(-1), latents.reshape(-1), offsets, z.shape[1]).without_zeros()
    if activation == "relu":
        return kept(z, z > 0)
    if activation == "jumprelu" and threshold is not None:
        return kept(z, z > threshold)
    raise InputError(f"activation={shown(activation)} can't be used here: choose from {', '.join(ACTIVATIONS)}, with what it needs")


def gated(
    pi: Float[Tensor, "rows size"], gate_bias: Float[Tensor, " size"], log_scale: Float[Tensor, " size"], bias: Float[Tensor, " size"],
) -> Codes:  # fmt: skip
    """H(pi + gate_bias) ReLU(exp(log_scale) pi + bias): Rajamanoharan et al. (2024), equations 4 to 6.

    Arguments:
        pi: the encoder's directions with the input, no bias.
        gate_bias: of the gates.
        log_scale: of the magnitudes.
        bias: of the magnitudes.
    """
    value = (pi * log_scale.exp() + bias).relu_()
    return kept(value, (pi + gate_bias > 0) & (value > 0))


def kept(z: Float[Tensor, "rows size"], mask: Tensor) -> Codes:
    """The entries under a mask.

    Arguments:
        z: a table.
        mask: of its shape.
    """
    places = places_of(mask)
    rows, latents = places // z.shape[1], places % z.shape[1]
    counts = torch.bincount(rows, minlength=len(z))
    return Codes(z.reshape(-1).index_select(0, places), latents, counts.cumsum(0) - counts, z.shape[1])


def places_of(mask: Bool[Tensor, "rows size"]) -> Int[Tensor, " entries"]:
    """Where a mask is true, counted row after row.

    Most of a sparse mask is false: on a processor it takes half the time to look first for the words of eight in which anything is true.

    Arguments:
        mask: a table.
    """
    if mask.device.type != "cpu" or mask.numel() % 8 or not mask.is_contiguous():
        return mask.reshape(-1).nonzero()[:, 0]
    words = mask.view(-1).view(torch.int64)
    chosen = words.nonzero()[:, 0]
    word, within = words.index_select(0, chosen).view(torch.bool).view(-1, 8).nonzero(as_tuple=True)
    return chosen.index_select(0, word) * 8 + within


def counted(z: Tensor, activation: str, k: int) -> tuple[Tensor, Tensor]:
    """Of each row the latents that an activation with a number keeps, and their values; those that are not above 0 have the value 0.

    Arguments:
        z: what the encoder gives.
        activation: one of `COUNTED`.
        k: how many a row.
    """
    if activation == "topk":
        latents, values = largest(z, k)
        return latents, values.relu_()
    if activation == "abstopk":
        latents = z.abs().topk(k, dim=-1, sorted=False).indices
        return latents, z.gather(-1, latents)
    best = z.view(len(z), k, -1).max(dim=-1)
    return best.indices + torch.arange(k, device=z.device) * (z.shape[1] // k), best.values.relu_()


def largest(z: Float[Tensor, "rows size"], k: int) -> tuple[Tensor, Tensor]:
    """The numbers of the k largest entries of each row, in any order, and these entries.

    They lie in the k groups of neighbours whose largest entries are largest: on a processor it takes less time to look for these groups first.

    Arguments:
        z: a table.
        k: how many a row.
    """
    n, groups = len(z), z.shape[1] // GROUP
    if z.device.type != "cpu" or z.shape[1] % GROUP or groups < 4 * k or not z.is_contiguous():
        found = z.topk(k, dim=-1, sorted=False)
        return found.indices, found.values
    chosen = z.view(n, groups, GROUP).amax(-1).topk(k, dim=-1, sorted=False).indices
    places = chosen + torch.arange(0, n * groups, groups)[:, None]
    found = z.view(-1, GROUP).index_select(0, places.flatten()).view(n, -1).topk(k, dim=-1, sorted=False)
    return chosen.gather(1, found.indices // GROUP) * GROUP + found.indices % GROUP, found.values
