"""How far a prediction is from another one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

from jaxtyping import Float
from torch import Tensor

from sonde.access import Run


@dataclass(frozen=True, eq=False)
class KL:
    """How far a run's prediction is from a reference: KL(reference || run), summed over the vocabulary, in nats.

    Arguments:
        reference: the reference's logits, such as `run.last_logits` of the unedited run.
        pos: the position whose prediction is compared.
    """

    reference: Float[Tensor, "batch vocab"]
    pos: int = -1
    unit: ClassVar[str] = "nats"
    better: ClassVar[Literal["more", "less"]] = "less"
    rows: ClassVar[None] = None

    def select(self, examples: Sequence[int]) -> Self:
        return replace(self, reference=self.reference[list(examples)])

    def __call__(self, run: Run) -> Float[Tensor, " batch"]:
        mine = run.logits_at(self.pos).log_softmax(-1)
        theirs = self.reference.to(mine.device).log_softmax(-1)
        return (theirs.exp() * (theirs - mine)).sum(-1)
