"""Latents that explain nothing begin again at activations that are badly explained.

Dead ones do in Bricken et al. (2023). Others never die, yet write next to nothing because no feature is left near them: K-SVD puts the signals that
are represented worst in place of such atoms (Aharon, Elad and Bruckstein 2006), and so does a `Resample` with `weak`. What counts is the sum of
squares that a latent wrote, not how often it did, for a rare feature is strong when it is there; and that the error recurs which takes its place.

Shape legend: N rows, D entries read, O entries written, F latents.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.dictionaries.architectures import Resample

RESTARTED = ("encoder", "decoder", "encoder_bias")
"""The weights of a latent that begin again."""

MARGIN = 30.0
"""A latent is given up for a direction that explains so many times as much: what an error promises others would partly have learned, too."""

CANDIDATES = 1024
"""Errors that one look considers, so that it costs little beside the steps between two."""

EVIDENCE = 10
"""How often a latent that is just not weak was active before anybody is judged."""


def due(policy: Resample, looked: int, seen: int, total: int, each: float) -> bool:
    """Whether it is time to look for latents that explain nothing.

    Arguments:
        policy: when.
        looked: tokens seen at the last look.
        seen: tokens seen.
        total: tokens that the training has.
        each: how many times the mean latent is active in a token.

    >>> due(Resample(every=100, weak=0.1), looked=0, seen=130, total=1000, each=0.1), "13 times: too few to tell"
    (False, '13 times: too few to tell')
    >>> due(Resample(every=100, weak=0.1), looked=0, seen=130, total=1000, each=1.0)
    True
    """
    every = policy.every or max(1, total // 20)
    if seen > policy.until * total or seen // every == looked // every:
        return False
    return not policy.weak or policy.weak * (seen - looked) * each >= EVIDENCE


def unused(policy: Resample, squares: Float[Tensor, " F"]) -> Int[Tensor, " unused"]:
    """The numbers of the latents that explain next to nothing.

    Arguments:
        policy: what counts as such.
        squares: of what each latent wrote since the last look, summed; below 0 for dead ones.

    >>> unused(Resample(weak=0.1), torch.tensor([300.0, 9.0, 400.0, -1.0]))
    tensor([1, 3])
    """
    return (squares < policy.weak * squares.clamp(min=0).mean()).nonzero()[:, 0]


def gains(missing: Float[Tensor, "N O"], rows: Int[Tensor, " C"]) -> Float[Tensor, " C"]:
    """How much of the error a token the direction of each of some errors would explain in the other rows: what is there by chance does not recur.

    Arguments:
        missing: what is not explained.
        rows: whose directions are asked about.

    >>> gains(torch.tensor([[0.0, 2.0], [0.0, 1.0], [3.0, 0.0]]), torch.tensor([1, 2]))
    tensor([2., 0.])
    """
    along = _unit(missing[rows]) @ missing.T
    along[torch.arange(len(rows), device=rows.device), rows] = 0
    along[along < missing[rows].norm(dim=1, keepdim=True) / 3] = 0  # smaller ones are chance
    return along.square().sum(1) / max(1, len(missing) - 1)


def restart(
    policy: Resample, which: Int[Tensor, " unused"], worth: Float[Tensor, " unused"], weights: dict[str, Tensor],
    moments: dict[str, dict[str, Tensor]], read: Float[Tensor, "N D"], written: Float[Tensor, "N O"], missing: Float[Tensor, "N O"], same: bool,
    seed: int,
) -> Int[Tensor, " restarted"]:  # fmt: skip
    """Give latents the directions of rows that are drawn by the square of their squared error, where that explains more.

    Arguments:
        policy: how.
        which: numbers of the latents.
        worth: the sum of squares a token that each wrote; below 0 for dead ones.
        weights: of the dictionary, changed in place.
        moments: of the optimiser, by the name of the weight, changed in place.
        read: what the encoder reads, the decoder's bias taken away where it is.
        written: what should be written, the decoder's bias taken away.
        missing: what is not explained of it.
        same: whether it writes what it reads, so that an error can be read, too.
        seed: of the draw.

    Returns:
        The numbers of those that began again: not more than there are rows with an error.
    """
    chance = missing.double().square().sum(1).square().cpu()
    n = min(len(which), CANDIDATES, int((chance > 0).sum()))
    if not n:
        return which[:0]
    rows = torch.multinomial(chance, n, generator=torch.Generator().manual_seed(seed)).to(read.device)
    worth, order = worth.sort(stable=True)
    gained, best = gains(missing, rows).sort(descending=True, stable=True)
    better = gained > MARGIN * worth[:n]
    which, rows = which[order[:n]][better], rows[best][better]
    errors = policy.at == "errors"
    inputs, outputs = (missing if errors and same else read)[rows], (missing if errors else written)[rows]
    others = torch.ones(len(weights["encoder"]), dtype=torch.bool, device=read.device).index_fill_(0, which, False)
    weights["encoder"][which] = _unit(inputs) * policy.scale * _length(weights["encoder"][others])
    weights["decoder"][which] = _unit(outputs) * _length(weights["decoder"][others])
    weights["encoder_bias"][which] = 0
    for name in RESTARTED:
        for moment in ("exp_avg", "exp_avg_sq"):
            moments[name][moment][which] = 0
    return which


def _unit(rows: Tensor) -> Tensor:
    return rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-12)


def _length(rows: Tensor) -> Tensor | float:
    return rows.norm(dim=1).mean() if len(rows) else 1.0
