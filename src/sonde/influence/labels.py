"""Whose labels the squared gradients of a curvature are taken for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from sonde.influence.losses import Likelihood, Loss
from sonde.results import InputError, content_hash, shown

Kind = Literal["exact", "sampled", "empirical"]
MOST = 100  # outputs of which the exact expectation is taken by default


@dataclass(frozen=True)
class Labels:
    """Labels.

    Arguments:
        kind: the expectation over the model's own classes, labels drawn from the model, or those of the data (the empirical Fisher).
        draws: how many labels are drawn for each example.
        seed: of the draws.
    """

    kind: Kind
    draws: int = 1
    seed: int = 0

    @property
    def ways_back(self) -> int | None:
        """How many backward passes a batch takes; `None` where the outputs decide."""
        return None if self.kind == "exact" else self.draws if self.kind == "sampled" else 1

    def gradients(self, loss: Likelihood, outputs: Tensor, batch: Any, indices: Sequence[int]) -> Iterator[Any]:
        """The gradients at the outputs from which the ways back begin; the sum of their squares is the curvature.

        Arguments:
            loss: that knows its distribution.
            outputs: of the batch.
            batch: the examples.
            indices: of the examples: an example has the same draws in whatever batch it is.
        """
        if self.kind == "exact":
            yield from loss.exact(outputs, batch)
            return
        for draw in range(self.draws):
            generators = [torch.Generator().manual_seed(int(content_hash([self.seed, draw, int(i)]), 16) % 2**63) for i in indices]
            yield loss.sampled(outputs, batch, generators) / self.draws**0.5


def labels_of(kind: str, loss: Loss, outputs: int, draws: int, seed: int) -> Labels:
    """The labels that are meant.

    Arguments:
        kind: as in `Labels`, or "auto": exact where the loss knows its distribution and an example has few outputs, sampled where it has many.
        loss: of the examples.
        outputs: how many an example has; 0 where they are not known.
        draws, seed: of sampled labels.

    Raises:
        InputError: labels that the loss can't give.
    """
    if kind not in (*get_args(Kind), "auto"):
        raise InputError(f"labels={shown(kind)}: use 'exact', 'sampled', 'empirical' or 'auto'")
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < 1:
        raise InputError(f"draws={shown(draws)}: draw 1 label or more for each example")
    if not isinstance(loss, Likelihood):
        if kind in ("exact", "sampled"):
            raise InputError(
                f"labels={kind!r}: {shown(loss)} does not say which distribution it stands for; use CrossEntropy(), SquaredError() or NextToken()"
            )
        return Labels("empirical")
    if kind == "auto":
        kind = "exact" if 0 < outputs <= MOST else "sampled"
    return Labels(kind, draws, seed) if kind == "sampled" else Labels(kind)  # type: ignore[arg-type]
