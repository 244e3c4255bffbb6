"""The in-context score: what a context is worth to a model."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from sonde.access import Run


@dataclass(frozen=True)
class InContextScore:
    """Of each row the loss at its end less that near its beginning."""

    def __call__(self, run: Run) -> Float[Tensor, " batch"]:
        told = run.logits[:, :-1].log_softmax(-1).gather(-1, run.ids[:, 1:, None])[..., 0]
        return in_context_score(-told)


def in_context_score(losses: Float[Tensor, "row pos"]) -> Float[Tensor, " row"]:
    """The loss at the end of each row less that near its beginning, in nats; below zero the context helps.

    Arguments:
        losses: of each token.

    >>> import torch
    >>> in_context_score(torch.linspace(4, 2, 20)[None]).item() < -1
    True
    """
    tenth = max(1, losses.shape[1] // 10)
    return losses[:, -tenth:].mean(1) - losses[:, tenth : 2 * tenth].mean(1)
