"""Metrics about one token of each example, or two."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Run
from sonde.results import InputError
from sonde.tasks.metrics.sets import Ids, ids_of, some_of


@dataclass(frozen=True, eq=False)
class _TokenMetric:
    """A metric about one token per example.

    Arguments:
        targets: token ids, one per example; a single one serves all examples.
        pos: the position whose prediction is scored, counted in each row's real tokens.
    """

    targets: Ids
    pos: int = field(default=-1, kw_only=True)
    unit: ClassVar[str]
    better: ClassVar[Literal["more", "less"]] = "more"

    def __post_init__(self) -> None:
        object.__setattr__(self, "targets", ids_of(self.targets))

    @property
    def rows(self) -> Int[Tensor, " row"] | None:
        return _distinct(self.targets)

    def select(self, examples: Sequence[int]) -> Self:
        return replace(self, targets=some_of(self.targets, examples))


class Logit(_TokenMetric):
    """The target's logit.

    >>> Logit(5).rows
    tensor([5])
    """

    unit: ClassVar[str] = "logits"

    def __call__(self, run: Run) -> Float[Tensor, " batch"]:
        return run.token_logits(ids_of(self.targets), self.pos)


class Probability(_TokenMetric):
    """The target's probability."""

    unit: ClassVar[str] = "probability"
    rows = None  # the normaliser needs them all

    def __call__(self, run: Run) -> Float[Tensor, " batch"]:
        return _picked(run.logits_at(self.pos).softmax(-1), self.targets)


class LogProbability(_TokenMetric):
    """The target's log-probability, in nats."""

    unit: ClassVar[str] = "nats"
    rows = None  # the normaliser needs them all

    def __call__(self, run: Run) -> Float[Tensor, " batch"]:
        return _picked(run.logits_at(self.pos).log_softmax(-1), self.targets)


@dataclass(frozen=True, eq=False)
class LogitDifference(_TokenMetric):
    """The target's logit minus the foil's: the log of how much likelier the target is.

    Arguments:
        targets: token ids, one per example; a single one serves all examples.
        foils: what they are compared with, likewise.
        pos: the position whose prediction is scored.

    >>> LogitDifference([5, 6], [6, 5]).rows
    tensor([5, 6])
    """

    foils: Ids
    unit: ClassVar[str] = "logits"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "foils", ids_of(self.foils))

    @property
    def rows(self) -> Int[Tensor, " row"]:
        return _distinct(self.targets, self.foils)

    def select(self, examples: Sequence[int]) -> Self:
        return replace(self, targets=some_of(self.targets, examples), foils=some_of(self.foils, examples))

    def __call__(self, run: Run) -> Float[Tensor, " batch"]:
        return run.token_logits(ids_of(self.targets), self.pos) - run.token_logits(ids_of(self.foils), self.pos)


def _distinct(*ids: Ids) -> Int[Tensor, " row"]:
    return torch.tensor(sorted({i for one in ids for i in ids_of(one).tolist()}))


def _picked(values: Float[Tensor, "batch vocab"], ids: Ids) -> Float[Tensor, " batch"]:
    ids = ids_of(ids).to(values.device)
    if len(ids) not in (1, len(values)):
        raise InputError(f"the metric has {len(ids)} target tokens and the run {len(values)} rows; give one for each row, or one for all")
    return values.gather(1, ids.expand(len(values))[:, None]).squeeze(1)
