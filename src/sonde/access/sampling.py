"""How the next token is chosen from the logits."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.results import InputError, shown


@dataclass(frozen=True)
class Sampling:
    """The likeliest token, or one drawn from the softmax of logits / temperature, limited to the likeliest if wanted.

    Arguments:
        temperature: 0 takes the likeliest token.
        top_k: draw among the so many likeliest tokens only.
        top_p: draw among the fewest tokens that together hold at least this probability (nucleus sampling, Holtzman et al. 2020); after `top_k`.

    Raises:
        InputError: a value outside its range, or a limit where nothing is drawn.

    >>> Sampling().draw(torch.tensor([0.0, 2.0, 1.0]), torch.Generator())
    1
    """

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.temperature, int | float) or not 0 <= self.temperature < float("inf"):
            raise InputError(f"temperature={shown(self.temperature)}: use 0 for the likeliest token, or a positive number")
        if self.top_k is not None and self.top_k < 1:
            raise InputError(f"top_k={self.top_k}: draw among 1 token or more, or leave it out")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise InputError(f"top_p={self.top_p}: give a probability above 0 and up to 1, or leave it out")
        if self.temperature == 0 and not (self.top_k is None and self.top_p is None):
            raise InputError("top_k and top_p limit what is drawn, and temperature=0 draws nothing: give a temperature")

    def draw(self, logits: Float[Tensor, " vocab"], generator: torch.Generator) -> int:
        """The chosen token.

        Arguments:
            logits: of the next token, on the generator's device.
            generator: of the draw.
        """
        if self.temperature == 0:
            return int(logits.argmax())
        logits = logits / self.temperature
        if self.top_k is not None and self.top_k < len(logits):
            logits = logits.masked_fill(logits < logits.topk(self.top_k).values[-1], -torch.inf)
        probability = logits.softmax(-1)
        if self.top_p is not None:
            ranked, order = probability.sort(descending=True)
            before = ranked.cumsum(-1) - ranked  # what the likelier tokens hold already
            probability[order[before >= self.top_p]] = 0
        return int(torch.multinomial(probability, 1, generator=generator))
