"""What is absent is replaced by what other examples hold: values that the model has seen, so that little is measured but the loss of what was there.

A constant that stands nowhere in the data (a zero, a padding token) also takes the model to inputs that it never learnt, and the metric moves for
that reason too (Hooker et al. 2019). No method of attribution works with this removal by default, so it can judge any of them.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.access.removal import Baseline, Question
from sonde.results import InputError


@dataclass(frozen=True, eq=False)
class OtherExamples(Baseline):
    """What the other examples hold: of texts tokens from anywhere in them, of pictures and tables the same pixels or columns of one of them.

    The same draws serve every set of absent places of an example, so that sets differ by what is absent and not by luck.

    Arguments:
        draws: how many values stand for one set.
        seed: of the draws.
    """

    draws: int = 2
    seed: int = 0

    def described(self, question: Question) -> str:
        return "what other examples hold"

    def values(self, question: Question, example: int, present: Bool[Tensor, "set *cell"]) -> Float[Tensor, "set draw *axis"]:
        drawn = self._drawn(question, example)
        return drawn.expand(len(present), *drawn.shape)

    def _drawn(self, question: Question, example: int) -> Float[Tensor, "draw *axis"]:
        if len(question) < 2:
            raise InputError("there is one example, and what is absent was to be what others hold: give more examples, or another removal")
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + example)
        others = [i for i in range(len(question)) if i != example]
        value = question.value
        if question.mask is None:
            return value[[others[i] for i in self._picks(len(others), (self.draws,), generator)]]
        pool = value[others][_ordinary(question)[others]]
        picks = self._picks(len(pool), (self.draws * value.shape[1],), generator)
        return pool[picks].view(self.draws, *value.shape[1:])

    def _picks(self, n: int, shape: tuple[int, ...], generator: torch.Generator) -> Int[Tensor, "..."]:
        return torch.randint(n, shape, generator=generator)


def _ordinary(question: Question) -> Bool[Tensor, "example column"]:
    """True at real tokens that are not special."""
    assert question.mask is not None
    tokenizer = question.model.tokenizer
    special = [] if tokenizer is None else [i for i in (tokenizer.bos_id, tokenizer.pad_id) if i is not None]
    return question.mask & ~torch.isin(question.run.ids, torch.tensor(special, dtype=torch.long, device=question.run.ids.device))
