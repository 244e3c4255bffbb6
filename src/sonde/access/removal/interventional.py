"""What is absent holds what it holds in other inputs, drawn without a look at what is present: E over x' of F(x_S, x'_absent).

The marginal removal (Janzing, Minorics and Bloebaum 2020). A feature that the model does not read changes nothing and gets nothing; the price is
inputs that cannot be, where features that go together are torn apart.
"""

from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sonde.access.inputs import Given
from sonde.access.removal.baselines import Baseline
from sonde.access.removal.question import Question
from sonde.results import InputError


class Interventional(Baseline):
    """What other inputs hold at the same places.

    The same other inputs serve all sets of absent parts and all examples, so that sets differ by what is absent and not by luck.

    Arguments:
        background: other inputs: rows of a table, pictures, texts or token ids; or values of the site (background, *axis). Of texts those count
            that have at least as many tokens as the text explained, of which the same positions are taken.
        draws: how many of them stand for what is absent; all, where there are not more.
        seed: of the draws.

    Raises:
        InputError: no background, or no draw.

    >>> Interventional(torch.zeros(100, 3), draws=8)
    Interventional(100 inputs, draws=8, seed=0)
    """

    seed: int

    def __init__(self, background: Given, draws: int = 16, seed: int = 0):
        self.background = background
        self._size = 1 if isinstance(background, str) else len(background[0]) if isinstance(background, tuple) else len(background)
        if not self._size or draws < 1:
            raise InputError(f"a background of {self._size} inputs, draws={draws}: give at least one of each")
        self.draws, self.seed = min(draws, self._size), seed
        self._found: WeakKeyDictionary[Question, tuple[Tensor, Tensor | None]] = WeakKeyDictionary()

    def __repr__(self) -> str:
        return f"Interventional({self._size} inputs, draws={self.draws}, seed={self.seed})"

    def described(self, question: Question) -> str:
        return f"what {self.draws} of {self._size} other inputs hold"

    def values(self, question: Question, example: int, present: Bool[Tensor, "set *cell"]) -> Float[Tensor, "set draw *axis"]:
        drawn = self._drawn(question, example)
        return drawn.expand(len(present), *drawn.shape)

    def _drawn(self, question: Question, example: int) -> Float[Tensor, "draw *axis"]:
        if question not in self._found:
            self._found[question] = self._read(question)
        values, lengths = self._found[question]
        generator = torch.Generator().manual_seed(self.seed)
        if lengths is None:
            return values[torch.randperm(len(values), generator=generator)[: self.draws]]
        assert question.mask is not None
        own = question.mask[example]
        long_enough = (lengths >= int(own.sum())).nonzero()[:, 0]
        if len(long_enough) < self.draws:
            raise InputError(
                f"{len(long_enough)} of {self._size} background texts have the {int(own.sum())} tokens of example {example}, and draws={self.draws}: "
                "give more texts of that length, or fewer draws"
            )
        chosen = long_enough[torch.randperm(len(long_enough), generator=generator)[: self.draws]]
        drawn = values.new_zeros(self.draws, *question.value.shape[1:])
        drawn[:, own] = values[chosen, : int(own.sum())]
        return drawn

    def _read(self, question: Question) -> tuple[Float[Tensor, "background *axis"], Tensor | None]:
        """The site's values in the background; for tokens moved to the left, and the number of tokens of each row."""
        given: Any = self.background
        if isinstance(given, Tensor) and given.is_floating_point() and given.shape[1:] == question.value.shape[1:]:
            return given.to(question.value), None
        if isinstance(given, Tensor) and given.is_floating_point() and question.mask is not None:
            raise InputError(
                f"the background has shape {tuple(given.shape)}, and {question.site!r} has {tuple(question.value.shape)}: give one that fits"
            )
        run = question.model.run(given, read=[question.site], logits=False)
        values, mask = run[question.site].detach(), run.mask
        if question.mask is None:
            if values.shape[1:] != question.value.shape[1:]:
                raise InputError(
                    f"the background has {question.site!r} of shape {tuple(values.shape[1:])}, and the inputs {tuple(question.value.shape[1:])}"
                )
            return values, None
        assert mask is not None
        lengths = mask.sum(1)
        moved = torch.zeros_like(values)
        for row, (value, real) in enumerate(zip(values, mask, strict=True)):
            moved[row, : int(lengths[row])] = value[real]
        return moved, lengths
