"""An answer of several tokens, scored as a sequence."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Run
from sonde.results import InputError
from sonde.tasks.metrics.sets import Ids, ids_of, some_of


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
    better: ClassVar[Literal["more", "less"]] = "more"
    rows: ClassVar[None] = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "lengths", ids_of(self.lengths))
        if (ids_of(self.lengths) < 1).any():
            raise InputError(f"lengths={ids_of(self.lengths).tolist()}: an answer has one token or more")

    def select(self, examples: Sequence[int]) -> Self:
        return replace(self, lengths=some_of(self.lengths, examples))

    def __call__(self, run: Run) -> Float[Tensor, " batch"]:
        ids, rows, lengths = run.ids, run.inputs.rows, ids_of(self.lengths)
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
