"""Pairs of inputs whose answers differ in one variable, and their division into those that are searched on and those that judge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Union

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.probing.division import divide
from sonde.results import InputError, shown
from sonde.tasks import Margin, Task
from sonde.tasks.parts import words_of

Row = tuple[int, ...]
SHARES = (0.5, 0.2)
"""Of the pairs, those that are searched on and those that choose among several searches; the others judge."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Inputs, each with one from which values are taken.

    Arguments:
        base: token ids by row, or for other modules a tensor with a row for each pair.
        source: the inputs from which is taken, likewise.
        answers: what is right after each base: ids of tokens or classes.
        wrongs: what it is compared with; what the source makes right is among them, or among the answers.
        groups: pairs of one group never come into different parts.
        spans: named positions in each row.
        name: what the variable is called.
        notes: what was decided when the pairs were made.

    Raises:
        InputError: parts of different length, or none.
    """

    base: tuple[Row, ...] | Tensor
    source: tuple[Row, ...] | Tensor
    answers: tuple[Row, ...]
    wrongs: tuple[Row, ...]
    groups: Int[Tensor, " pair"]
    spans: Mapping[str, tuple[Row, ...]] = field(default_factory=dict)
    name: str = "pairs"
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        sizes = [len(part) for part in (self.base, self.source, self.answers, self.wrongs, self.groups)]
        if len(set(sizes)) > 1 or not sizes[0]:
            raise InputError(f"pairs: {sizes[0]} bases, {sizes[1]} sources, {sizes[2]} answers, {sizes[3]} wrong ones, {sizes[4]} groups; one each")

    @staticmethod
    def of(given: Union[Task, "Pairs"]) -> "Pairs":
        """The prompts of a task with their counterfactuals; prompts of the same words are a group.

        Arguments:
            given: a task; pairs are what they are.
        """
        if isinstance(given, Pairs):
            return given
        if not isinstance(given, Task) or not len(given):
            raise InputError(f"{shown(given)} holds no pairs: give a task with examples, or Pairs")
        numbers: dict[tuple[str, ...], int] = {}
        groups = [numbers.setdefault(words_of(text) or (str(i),), len(numbers)) for i, text in enumerate(given.texts)]
        parts = given.clean, given.corrupt, given.answers, given.wrongs, torch.tensor(groups)
        return Pairs(*parts, given.spans, given.name, given.notes)

    @staticmethod
    def between(
        base: Float[Tensor, "pair *axis"], source: Float[Tensor, "pair *axis"], of_base: Int[Tensor, " pair"], of_source: Int[Tensor, " pair"],
        name: str = "pairs",
    ) -> "Pairs":  # fmt: skip
        """Pairs of inputs of a module that tells classes apart.

        Arguments:
            base: the inputs.
            source: those from which is taken.
            of_base: the class of each base.
            of_source: the class of each source, another one.
            name: what the variable is called.

        >>> import torch
        >>> x = torch.randn(3, 4)
        >>> len(Pairs.between(x, -x, torch.tensor([0, 1, 0]), torch.tensor([1, 0, 1])))
        3
        """
        if bool((of_base == of_source).any()):
            raise InputError(f"pair {int((of_base == of_source).nonzero()[0])} has the same class on both sides: give sources of another class")
        answers, wrongs = (tuple((int(i),) for i in classes) for classes in (of_base, of_source))
        return Pairs(base, source, answers, wrongs, torch.arange(len(base)), name=name)

    def __len__(self) -> int:
        return len(self.base)

    @property
    def margin(self) -> Margin:
        """How far the right answers are above the wrong ones."""
        return Margin(self.answers, self.wrongs)

    @property
    def order(self) -> Int[Tensor, " pair"]:
        """Where there are two sets of answers in all: 1 for each pair that goes from the one to the other, -1 for the way back; else zeros."""
        sets = sorted({tuple(sorted(row)) for row in (*self.answers, *self.wrongs)})
        if len(sets) != 2:
            return torch.zeros(len(self), dtype=torch.long)
        return torch.tensor([1 if tuple(sorted(row)) == sets[0] else -1 for row in self.answers])

    @property
    def content(self) -> dict[str, Any]:
        """What makes the pairs what they are, as plain data to be hashed."""
        return {"base": self.base, "source": self.source, "answers": self.answers, "wrongs": self.wrongs}

    def select(self, pairs: Sequence[int]) -> "Pairs":
        """Some of the pairs.

        Arguments:
            pairs: their numbers.
        """
        some = [part[list(pairs)] if isinstance(part, Tensor) else tuple(part[i] for i in pairs) for part in (self.base, self.source)]
        answers, wrongs = (tuple(part[i] for i in pairs) for part in (self.answers, self.wrongs))
        spans = {name: tuple(rows[i] for i in pairs) for name, rows in self.spans.items()}
        return replace(self, base=some[0], source=some[1], answers=answers, wrongs=wrongs, groups=self.groups[list(pairs)], spans=spans)

    def split(self, seed: int = 0) -> tuple["Pairs", "Pairs", "Pairs"]:
        """Those to search on, those to choose by, and those to judge by; no group is in two of them.

        Arguments:
            seed: of the draw.

        Raises:
            InputError: too few groups.
        """
        if len(self.groups.unique()) < 3:
            raise InputError(f"{len(self)} pairs in {len(self.groups.unique())} groups can't be divided into pairs to search on, to choose by and to "
                             "judge by: give more, of different words")  # fmt: skip
        rest, judge = divide(self.groups, 1 - sum(SHARES), seed)
        if len(self.groups[rest].unique()) < 2:  # the groups are of very different size
            rest, judge = judge, rest
        search, choose = divide(self.groups[rest], SHARES[1] / sum(SHARES), seed)
        return self.select(rest[search].tolist()), self.select(rest[choose].tolist()), self.select(judge.tolist())
