"""Which tokens a latent's direction stands out in promoting, through the last norm and the unembedding.

The logits of a direction d are (U(N(d)) - U(N(-d))) / 2, with the model's own final norm N and unembedding U: what does not depend on d falls out.
In a random direction they are about normal over the vocabulary; a token stands out where so high a value would occur among V normal ones with a
chance below 1 % (Bonferroni).
"""

from statistics import NormalDist

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.results import InputError

CHANCE = 0.01


def promotions(model: Model, directions: Float[Tensor, "direction d_model"], most: int = 5) -> list[tuple[str, ...]]:
    """The tokens that stand out, the strongest first; often none.

    Arguments:
        model: a language model with its tokenizer.
        directions: in its residual stream, one a row.
        most: how many tokens are named at most.

    Raises:
        InputError: no tokenizer; directions that are no part of the residual stream.
    """
    if model.tokenizer is None or directions.shape[-1] != model.architecture.d_model:
        raise InputError(
            f"directions of {directions.shape[-1]} entries: the logits are read from the residual stream, {model.architecture.d_model} entries in "
            f"{model.name}, and its tokens are named by a tokenizer"
        )
    found = []
    with torch.no_grad():
        for part in directions.split(256):
            d = part.to(model.device)
            logits = (model.read_out(model.final(d)) - model.read_out(model.final(-d))) / 2
            z = ((logits - logits.mean(1, keepdim=True)) / logits.std(1, keepdim=True)).cpu()
            limit = NormalDist().inv_cdf(1 - CHANCE / z.shape[1])
            top = z.topk(min(most, z.shape[1]), dim=1)
            for row, values in zip(top.indices, top.values, strict=True):
                found.append(tuple(model.tokenizer.strings(row[values > limit].tolist())))
    return found
