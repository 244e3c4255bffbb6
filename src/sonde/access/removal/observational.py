"""What is absent is drawn from what it may be, given what is present: E over x' ~ p(x_absent | x_S) of F(x_S, x'_absent).

The conditional removal (Frye et al. 2021; Covert, Lundberg and Lee 2021). The model sees inputs that can be; the price is credit for features that
it does not read, where others tell of them, and a second model, of the data, whose mistakes are in the result.
"""

from typing import Protocol

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sonde.access.model import Model
from sonde.access.removal.baselines import Baseline
from sonde.access.removal.infilling import filler
from sonde.access.removal.question import Question
from sonde.results import InputError, shown


class Sampler(Protocol):
    """A model of the data that draws what is absent, given what is present."""

    described: str
    """What it is, in a few words."""
    notes: tuple[str, ...]
    """What must be known of its draws."""

    def draw(
        self, question: Question, example: int, present: Bool[Tensor, "set *cell"], draws: int, generator: torch.Generator
    ) -> Float[Tensor, "set draw *axis"]:  # fmt: skip
        """Values of the site; those of present cells are not looked at.

        Arguments:
            question, example, present: as for `Baseline.values`.
            draws: how many for each set.
            generator: of the draws; what is drawn from it must not depend on the sets.
        """
        ...


class Observational(Baseline):
    """What a model of the data expects there, given what is present.

    The same random numbers serve all sets of absent parts, so that sets differ by what is absent and not by luck.

    Arguments:
        sampler: a language model that fills in tokens: a masked one, which looks at both sides, or a causal one, such as the model that is
            explained, which looks to the left only; for tables `Gaussian` or `Neighbours`, fitted to other rows.
        draws: how many values stand for one set of absent parts.
        seed: of the draws.

    Raises:
        InputError: what is no sampler; no draw.

    >>> from sonde.access.removal import Gaussian
    >>> Observational(Gaussian(torch.randn(50, 3)), draws=4)
    Observational(a Gaussian fitted to 50 rows, draws=4, seed=0)
    """

    seed: int

    def __init__(self, sampler: Sampler | Model, draws: int = 16, seed: int = 0):
        if not isinstance(sampler, Model) and not hasattr(sampler, "draw"):
            raise InputError(f"{shown(sampler)} draws nothing: give a language model, Gaussian(rows) or Neighbours(rows)")
        if draws < 1:
            raise InputError(f"draws={draws}: draw at least once")
        self.sampler: Sampler = sampler if not isinstance(sampler, Model) else filler(sampler)
        self.draws, self.seed, self.notes = draws, seed, self.sampler.notes

    def __repr__(self) -> str:
        return f"Observational({self.sampler.described}, draws={self.draws}, seed={self.seed})"

    def described(self, question: Question) -> str:
        return f"drawn {self.draws} times given the rest, by {self.sampler.described}"

    def values(self, question: Question, example: int, present: Bool[Tensor, "set *cell"]) -> Float[Tensor, "set draw *axis"]:
        return self.sampler.draw(question, example, present, self.draws, torch.Generator().manual_seed(self.seed))
