"""Metrics over sets of answers: all later years, all verbs that agree, the members of a list.

With p the probabilities at the position, R an example's right answers and W its wrong ones:

    ProbabilityDifference = sum over R of p - sum over W of p        (Hanna et al. 2023; Marks et al. 2024)
    CrossEntropy = -log sum over R of p
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Run
from sonde.results import InputError
from sonde.tasks.metrics.sets import Sets, apart, distinct, gathered, members, sets_of, some


@dataclass(frozen=True, eq=False)
class _OfSets:
    """A metric whose fields are sets of tokens, and the position at which the prediction is scored."""

    pos: int = field(default=-1, kw_only=True)
    better: ClassVar[Literal["more", "less"]] = "more"

    def __post_init__(self) -> None:
        for name, sets in self._sets().items():
            object.__setattr__(self, name, sets_of(sets, name))

    def select(self, examples: Sequence[int]) -> Self:
        """The metric for some of its examples."""
        parts: dict[str, Any] = {name: some(sets, examples) for name, sets in self._sets().items()}
        return replace(self, **parts)

    def _sets(self) -> dict[str, Any]:
        return {name: sets for name, sets in vars(self).items() if name != "pos" and sets is not None}


@dataclass(frozen=True, eq=False)
class ProbabilityDifference(_OfSets):
    """The probability of all right answers together less that of all wrong ones, from -1 to 1.

    Arguments:
        answers: each example's right tokens; a single token or set serves all examples.
        wrongs: its wrong tokens, likewise.
        pos: the position whose prediction is scored, counted in each row's real tokens.

    Raises:
        InputError: an example without right or wrong tokens, or with one that is both.

    >>> ProbabilityDifference([[5, 6], [6]], [[7], [5, 7]]).answers
    ((5, 6), (6,))
    """

    answers: Sets
    wrongs: Sets
    unit: ClassVar[str] = "probability"
    rows: ClassVar[None] = None  # the normaliser needs them all

    def __post_init__(self) -> None:
        super().__post_init__()
        apart(sets_of(self.answers, "answers"), sets_of(self.wrongs, "wrongs"))

    def __call__(self, run: Run) -> Float[Tensor, " batch"]:
        p = run.logits_at(self.pos).softmax(-1)
        return gathered(p, sets_of(self.answers, "answers"), 0.0).sum(-1) - gathered(p, sets_of(self.wrongs, "wrongs"), 0.0).sum(-1)


@dataclass(frozen=True, eq=False)
class CrossEntropy(_OfSets):
    """How surprised the model is by the right answers: minus the log of their probability together, in nats.

    Arguments:
        answers: each example's right tokens; a single token or set serves all examples.
        pos: the position whose prediction is scored, counted in each row's real tokens.

    Raises:
        InputError: an example without right tokens.

    >>> CrossEntropy([5, 6]).answers
    ((5,), (6,))
    """

    answers: Sets
    unit: ClassVar[str] = "nats"
    better: ClassVar[Literal["more", "less"]] = "less"
    rows: ClassVar[None] = None

    def __call__(self, run: Run) -> Float[Tensor, " batch"]:
        return -gathered(run.logits_at(self.pos).log_softmax(-1), sets_of(self.answers, "answers"), -torch.inf).logsumexp(-1)


@dataclass(frozen=True, eq=False)
class Rank(_OfSets):
    """The place of the likeliest right answer: 1 plus the number of other tokens that are at least as likely. It counts, so it has no gradient.

    Arguments:
        answers: each example's right tokens; a single token or set serves all examples.
        among: the tokens that they are ranked among; the whole vocabulary by default. Other right answers never count.
        pos: the position whose prediction is scored, counted in each row's real tokens.

    Raises:
        InputError: an example without a token; in a run: gradients are asked for.

    >>> Rank([5, 6], among=[[7, 8], [8]]).rows
    tensor([5, 6, 7, 8])
    """

    answers: Sets
    among: Sets | None = None
    unit: ClassVar[str] = "rank"
    better: ClassVar[Literal["more", "less"]] = "less"

    @property
    def rows(self) -> Int[Tensor, " row"] | None:
        """The vocabulary rows that are read."""
        return None if self.among is None else distinct(sets_of(self.answers, "answers"), sets_of(self.among, "among"))

    def __call__(self, run: Run) -> Float[Tensor, " batch"]:
        logits = _counted(self, run)
        answers = sets_of(self.answers, "answers")
        best = gathered(logits, answers, -torch.inf).amax(-1, keepdim=True)
        others = ~members(answers, logits)
        if self.among is not None:
            others &= members(sets_of(self.among, "among"), logits)
        return 1 + ((logits >= best) & others).sum(-1).to(logits.dtype)


@dataclass(frozen=True, eq=False)
class Margin(_OfSets):
    """How far the likeliest right answer's logit is above the likeliest wrong one's; above zero the answer is right. It has a gradient.

    Arguments:
        answers: each example's right tokens; a single token or set serves all examples.
        wrongs: its wrong tokens, likewise.
        pos: the position whose prediction is scored, counted in each row's real tokens.

    Raises:
        InputError: an example without right or wrong tokens, or with one that is both.

    >>> Margin([5, 6], [[7, 8], [8]]).rows
    tensor([5, 6, 7, 8])
    """

    answers: Sets
    wrongs: Sets
    unit: ClassVar[str] = "logits"

    def __post_init__(self) -> None:
        super().__post_init__()
        apart(sets_of(self.answers, "answers"), sets_of(self.wrongs, "wrongs"))

    @property
    def rows(self) -> Int[Tensor, " row"]:
        """The vocabulary rows that are read."""
        return distinct(sets_of(self.answers, "answers"), sets_of(self.wrongs, "wrongs"))

    def __call__(self, run: Run) -> Float[Tensor, " batch"]:
        logits = run.logits_at(self.pos)
        best, against = (gathered(logits, sets_of(sets, "sets"), -torch.inf).amax(-1) for sets in (self.answers, self.wrongs))
        return best - against


@dataclass(frozen=True, eq=False)
class Accuracy(_OfSets):
    """Whether the likeliest right answer is above every wrong one: 1 or 0, ties counted as wrong. It counts, so it has no gradient.

    Arguments:
        answers: each example's right tokens; a single token or set serves all examples.
        wrongs: its wrong tokens, likewise; by default all other tokens of the vocabulary.
        pos: the position whose prediction is scored, counted in each row's real tokens.

    Raises:
        InputError: an example without right or wrong tokens, or with one that is both; in a run: gradients are asked for.

    >>> Accuracy([5, 6], wrongs=[7, 7]).rows
    tensor([5, 6, 7])
    """

    answers: Sets
    wrongs: Sets | None = None
    unit: ClassVar[str] = "share right"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.wrongs is not None:
            apart(sets_of(self.answers, "answers"), sets_of(self.wrongs, "wrongs"))

    @property
    def rows(self) -> Int[Tensor, " row"] | None:
        """The vocabulary rows that are read."""
        return None if self.wrongs is None else distinct(sets_of(self.answers, "answers"), sets_of(self.wrongs, "wrongs"))

    def __call__(self, run: Run) -> Float[Tensor, " batch"]:
        logits = _counted(self, run)
        answers = sets_of(self.answers, "answers")
        best = gathered(logits, answers, -torch.inf).amax(-1)
        if self.wrongs is not None:
            against = gathered(logits, sets_of(self.wrongs, "wrongs"), -torch.inf).amax(-1)
        else:
            against = logits.masked_fill(members(answers, logits), -torch.inf).amax(-1)
        return (best > against).to(logits.dtype)


def _counted(metric: _OfSets, run: Run) -> Float[Tensor, "batch vocab"]:
    """The logits, where no gradient is asked for."""
    logits = run.logits_at(metric.pos)
    if logits.requires_grad:
        raise InputError(
            f"{type(metric).__name__} counts, so it has no gradient: differentiate LogitDifference, ProbabilityDifference or CrossEntropy instead"
        )
    return logits
