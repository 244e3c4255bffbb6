"""What is asked of a run: one number per example, differentiable, read at one position.

A metric is a callable from a `Run` to a tensor with one value per example. Those here also say what they read, so that nothing else need be computed:
`pos`, the position, and `rows`, the vocabulary rows (`None` for all); `unit`; and `select`, which gives the metric for some of its examples.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Run
from sonde.results import InputError

Ids = int | Sequence[int] | Int[Tensor, "#batch"]


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

    def __post_init__(self) -> None:
        object.__setattr__(self, "targets", _ids(self.targets))

    @property
    def rows(self) -> Int[Tensor, " row"] | None:
        return _distinct(self.targets)

    def select(self, examples: Sequence[int]) -> Self:
        return replace(self, targets=_some(self.targets, examples))


class Logit(_TokenMetric):
    """The target's logit.

    >>> Logit(5).rows
    tensor([5])
    """

    unit: ClassVar[str] = "logits"

    def __call__(self, run: Run) -> Float[Tensor, " batch"]:
        return run.token_logits(_ids(self.targets), self.pos)


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
        object.__setattr__(self, "foils", _ids(self.foils))

    @property
    def rows(self) -> Int[Tensor, " row"]:
        return _distinct(self.targets, self.foils)

    def select(self, examples: Sequence[int]) -> Self:
        return replace(self, targets=_some(self.targets, examples), foils=_some(self.foils, examples))

    def __call__(self, run: Run) -> Float[Tensor, " batch"]:
        return run.token_logits(_ids(self.targets), self.pos) - run.token_logits(_ids(self.foils), self.pos)


@dataclass(frozen=True, eq=False)
class SequenceLogProbability:
    """The log-probability of the answer that a row ends with, given what stands before it: an answer of several tokens, in nats.

    The inputs hold prompt and answer; log p(answer | prompt) is the sum over the answer's tokens of log p(token | tokens before it).

    Arguments:
        lengths: how many of a row's last tokens are its answer, one for each example; a single one serves all.

    Raises:
        InputError: an answer of no token; in a run: one that leaves no token before it.
    """

    lengths: Ids
    unit: ClassVar[str] = "nats"
    rows: ClassVar[None] = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "lengths", _ids(self.lengths))
        if (_ids(self.lengths) < 1).any():
            raise InputError(f"lengths={_ids(self.lengths).tolist()}: an answer has one token or more")

    def select(self, examples: Sequence[int]) -> Self:
        return replace(self, lengths=_some(self.lengths, examples))

    def __call__(self, run: Run) -> Float[Tensor, " batch"]:
        ids, rows, lengths = run.ids, run.inputs.rows, _ids(self.lengths)
        assert rows is not None
        if len(lengths) not in (1, len(ids)):
            raise InputError(f"the metric has {len(lengths)} answers and the run {len(ids)} rows; give a length for each row, or one for all")
        for row, (length, whole) in enumerate(zip(lengths.expand(len(ids)).tolist(), rows.lengths, strict=True)):
            if length >= whole:
                raise InputError(f"row {row} has {whole} tokens, and {length} of them are its answer: nothing stands before it")
        told = run.logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)  # of each token but the first
        ends = torch.tensor(rows.last, device=ids.device)[:, None]
        column = torch.arange(1, ids.shape[1], device=ids.device)
        return told.where((column <= ends) & (column > ends - lengths.to(ids.device)[:, None]), 0).sum(-1)


@dataclass(frozen=True, eq=False)
class KL:
    """How far a run's prediction is from a reference: KL(reference || run), in nats.

    Arguments:
        reference: the reference's logits, such as `run.last_logits` of the unedited run.
        pos: the position whose prediction is compared.
    """

    reference: Float[Tensor, "batch vocab"]
    pos: int = -1
    unit: ClassVar[str] = "nats"
    rows: ClassVar[None] = None

    def select(self, examples: Sequence[int]) -> Self:
        return replace(self, reference=self.reference[list(examples)])

    def __call__(self, run: Run) -> Float[Tensor, " batch"]:
        mine = run.logits_at(self.pos).log_softmax(-1)
        theirs = self.reference.log_softmax(-1)
        return (theirs.exp() * (theirs - mine)).sum(-1)


def unit_of(metric: object) -> str:
    """The unit of a metric's values; plain callables have none that is known."""
    return str(getattr(metric, "unit", "units of the metric"))


def _ids(ids: Ids) -> Int[Tensor, " example"]:
    return torch.as_tensor(ids, dtype=torch.long).reshape(-1)


def _distinct(*ids: Ids) -> Int[Tensor, " row"]:
    return torch.tensor(sorted({i for some in ids for i in _ids(some).tolist()}))


def _some(ids: Ids, examples: Sequence[int]) -> Int[Tensor, " example"]:
    ids = _ids(ids)
    return ids if len(ids) == 1 else ids[list(examples)]


def _picked(values: Float[Tensor, "batch vocab"], ids: Ids) -> Float[Tensor, " batch"]:
    ids = _ids(ids).to(values.device)
    if len(ids) not in (1, len(values)):
        raise InputError(f"the metric has {len(ids)} target tokens and the run {len(values)} rows; give one for each row, or one for all")
    return values.gather(1, ids.expand(len(values))[:, None]).squeeze(1)
