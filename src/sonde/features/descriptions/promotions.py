"""Which tokens a latent stands out in promoting: its direct effects on the logits that are too high to be chance.

In a random direction the effects are about normal over the vocabulary. A token stands out where so high a value would occur among V normal ones with
a chance below 1 % (Bonferroni), z > Phi^-1(1 - 0.01 / V).
"""

from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.features.collecting.logits import logit_weights, written
from sonde.features.descriptions.recording import Recording
from sonde.results import InputError

CHANCE = 0.01
MOST = 5
"""Tokens that are named at most."""


def promotions(model: Model, site: str, directions: Float[Tensor, "direction width"]) -> list[tuple[str, ...]]:
    """The tokens that stand out, for each direction, the strongest first; often none.

    Arguments:
        model: a language model with its tokenizer.
        site: where the directions are written.
        directions: one a row.

    Raises:
        InputError: no tokenizer; a site that does not write to the residual stream.
    """
    if model.tokenizer is None:
        raise InputError(f"{model.name} has no tokenizer, so its tokens have no names: load it with tokenizer=")
    in_stream = written(model, site, directions)
    if isinstance(in_stream, str):
        raise InputError(f"what the directions do to the logits can't be told: {in_stream}")
    found = []
    for part in in_stream.split(256):
        logits = logit_weights(model, part, 1.0)
        top = logits.topk(min(MOST, logits.shape[1]), dim=1)
        limits = limit(logits.shape[1]) * logits.std(1)
        for ids, values, least in zip(top.indices, top.values, limits, strict=True):
            found.append(tuple(model.tokenizer.strings(ids[values > least].tolist())))
    return found


def promoting(recording: Recording, model: Model, site: str, directions: Float[Tensor, "size width"], latents: Sequence[int]) -> Recording:
    """The recording with what some latents promote, which explainers then mention.

    Arguments:
        recording: of the latents.
        model: that was recorded.
        site: where the directions are written.
        directions: of all latents.
        latents: which.
    """
    told = promotions(model, site, directions[torch.tensor(list(latents), dtype=torch.long)])
    return replace(recording, promoted=recording.promoted | dict(zip(latents, told, strict=True)))


def limit(d_vocab: int) -> float:
    """How many deviations above the mean a token stands out.

    Arguments:
        d_vocab: tokens.
    """
    return NormalDist().inv_cdf(1 - CHANCE / d_vocab)
