"""The logit difference before a model's cap: what parts of the residual stream add up to, as the capped one is no sum."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Run
from sonde.tasks.metrics.tokens import LogitDifference


@dataclass(frozen=True, eq=False)
class BeforeCap:
    """Target minus foil, as they are before a model's cap bends its logits.

    Arguments:
        difference: the targets and foils.
        cap: the model's; 0 where it has none.
    """

    difference: LogitDifference
    cap: float

    @property
    def pos(self) -> int:
        """The position that is read."""
        return self.difference.pos

    def of(self, logits: Tensor) -> Tensor:
        """The logits that the cap was given.

        Arguments:
            logits: what the cap made of them.
        """
        return torch.atanh(logits / self.cap) * self.cap if self.cap else logits

    def __call__(self, run: Run) -> Float[Tensor, " batch"]:
        targets, foils = (torch.as_tensor(ids) for ids in (self.difference.targets, self.difference.foils))
        return self.of(run.token_logits(targets, self.pos)) - self.of(run.token_logits(foils, self.pos))
