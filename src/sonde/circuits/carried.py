"""What ablated edges carry: values in the counterfactual partners of a task, as a kind of ablation makes them for each of its examples.

Every kind but zero is a mixture of partners, the same at every node, so that any of its examples can be had without holding all of them: the own
partner, another's, or means, which are summed up part by part.
"""

import functools
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.tasks import Ablation, Task

Measure = Callable[[Sequence[Sequence[int]]], Tensor]


class Carried:
    """The values that an ablation puts in the place of some examples' own.

    Arguments:
        task: the examples and their partners.
        ablation: the kind, other than "optimal".
        measure: from prompts, as rows of tokens, to values [example, pos, ...].
        size: how many prompts are measured at once.
        partners: another task over whose partners one mean is taken for all examples.

    Raises:
        InputError: an ablation that can't be made of these partners.

    >>> import sonde
    >>> task = sonde.tasks.load("agreement", sonde.load("specimen:words"), n=4)
    >>> ones = lambda rows: torch.ones(len(rows), max(map(len, rows)), 2)
    >>> Carried(task, Ablation("mean", over="all"), ones, size=3).of([0, 1]).tolist()
    [[[1.0, 1.0]], [[1.0, 1.0]]]
    """

    def __init__(self, task: Task, ablation: Ablation, measure: Measure, size: int, partners: Task | None = None):
        self.task, self.ablation, self.measure, self.size = task, ablation.on(task), measure, size
        self.source, self.own = partners or task, partners is None
        lengths = torch.tensor([len(row) for row in self.source.corrupt])
        real = torch.arange(int(lengths.max()))[None] < lengths[:, None]
        if self.ablation.over == "all":
            # of all tokens together: each partner has as many shares as tokens
            self._shares = (lengths / lengths.sum().double())[None].expand(len(self.source), -1)
        elif self.ablation.kind != "zero":
            # what is made of the identity says how much of each partner there is in it
            self._shares = self.ablation.of(torch.eye(len(self.source), dtype=torch.float64), real)

    def of(self, examples: Sequence[int]) -> Float[Tensor, "#example #pos *axis"] | Float[Tensor, ""]:
        """What these examples' ablated values are; what is the same for all of them, or at all positions, is given once.

        Arguments:
            examples: by number; their prompts, not all of the task's, say how many positions there are.
        """
        if self.ablation.kind == "zero":
            return torch.zeros(())
        if self.ablation.kind != "mean":
            return self.measure([self.task.corrupt[j] for j in self._shares[list(examples)].argmax(1).tolist()])
        means, group = self._means
        longest = max(len(self.task.clean[i]) for i in examples)
        return means[group[list(examples)] if self.own else [0] * len(examples)][:, :longest]

    @functools.cached_property
    def _means(self) -> tuple[Tensor, Tensor]:
        """The distinct means, group pos ..., and the group of each example."""
        shares, group = torch.unique(self._shares, dim=0, return_inverse=True)
        total: Tensor | None = None
        for start in range(0, len(self.source), self.size):
            rows = self.source.corrupt[start : start + self.size]
            values = self.measure(rows)
            if self.ablation.over == "all":
                # a partner's share goes to its tokens alike; what lies behind them is no token
                lengths = torch.tensor([len(row) for row in rows])
                real = (torch.arange(values.shape[1])[None] < lengths[:, None]) / lengths[:, None]
                values = torch.einsum("bp,bp...->b...", real.to(values), values)[:, None]
            part = torch.einsum("gb,b...->g...", shares[:, start : start + self.size].to(values), values)
            total = part if total is None else _longer(total, part)
        assert total is not None
        return total, group


def _longer(total: Tensor, part: Tensor) -> Tensor:
    """The sum of two of which one has fewer positions."""
    if total.shape[1] < part.shape[1]:
        total, part = part, total
    total[:, : part.shape[1]] += part
    return total
