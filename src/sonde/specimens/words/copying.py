"""What the specimen does with lists of random words said twice, and which heads look where they should (Olsson et al. 2022)."""

import random
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.nn import eager_attention_forward
from sonde.specimens.words import world
from sonde.specimens.words.examiner import Examiner

_LIST = 20  # words in the lists that are said twice
_ROWS = 64  # such lists


def _twice_said(examiner: Examiner, rng: random.Random) -> Tensor:
    """Rows: the end token, a list of random words, the same list."""
    words = [examiner.token(f" {word}") for word in world.WORD_POOL]
    rows = [rng.choices(words, k=_LIST) for _ in range(_ROWS)]
    return torch.tensor([[examiner.end, *row, *row] for row in rows])


@torch.no_grad()
def copy_losses(examiner: Examiner, seed: int = 31) -> tuple[Float[Tensor, "row"], Float[Tensor, "row"]]:
    """Mean loss on the first and on the second copy of a list of random words, in nats a token.

    The second copy is taken from its second word on: its first cannot be foreseen.
    """
    ids = _twice_said(examiner, random.Random(seed))
    scores = examiner.model(ids[:, :-1]).float().log_softmax(-1)
    losses = -scores.gather(-1, ids[:, 1:, None])[..., 0]
    return losses[:, :_LIST].mean(-1), losses[:, _LIST + 1 :].mean(-1)


@torch.no_grad()
def head_roles(examiner: Examiner, seed: int = 31) -> dict[str, list[tuple[str, float]]]:
    """The three heads that look most at the previous token, and at what followed the same word before.

    Arguments:
        examiner: with the model.
        seed: of the lists of random words.

    Returns:
        For each role the heads as `layer.head` with their mean attention, the highest first.
    """
    patterns: list[Tensor] = []

    def watch(*arguments: Any, **options: Any) -> tuple[Tensor, Tensor]:
        out, pattern = eager_attention_forward(*arguments, **options)
        patterns.append(pattern.mean(0))
        return out, pattern

    attentions = examiner.model.attentions
    kernels = [attention.kernel for attention in attentions]
    try:
        for attention in attentions:
            attention.kernel = watch
        examiner.model(_twice_said(examiner, random.Random(seed)))
    finally:
        for attention, kernel in zip(attentions, kernels, strict=True):
            attention.kernel = kernel
    pattern_lhqk = torch.stack(patterns)
    every = torch.arange(1, 2 * _LIST + 1)
    second = torch.arange(_LIST + 1, 2 * _LIST)  # the last word has nothing after it to foresee
    scores = {"previous token": pattern_lhqk[..., every, every - 1].mean(-1), "induction": pattern_lhqk[..., second, second - _LIST + 1].mean(-1)}
    n_heads = pattern_lhqk.shape[1]
    return {
        role: [(f"{i // n_heads}.{i % n_heads}", score.flatten()[i].item()) for i in score.flatten().topk(3).indices.tolist()]
        for role, score in scores.items()
    }
