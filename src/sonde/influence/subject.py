"""What is asked: a model, its training examples, their loss, the blocks of weights that are looked at, and how many examples go together."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from sonde.access import Model
from sonde.access.uses import Use, watching
from sonde.influence.blocks import Block, Trace, trace
from sonde.influence.coverage import Coverage, losses_of, refuse_odd
from sonde.influence.examples import Examples
from sonde.influence.labels import Labels
from sonde.influence.losses import Likelihood, Loss
from sonde.results import SondeError

SHARE_OF_BATCH = 3  # times what is kept of the activations: the forward's own, and what is formed of them
MOST = 64  # examples in a pass
PLACES = 4096  # of all examples in a pass: more of them take memory and no less time
PIECES = 16  # of a pass over the training set, each of which is done or not done
LARGEST = 2048  # examples in a piece: what is lost at most where a long pass is interrupted


@dataclass(frozen=True)
class Told:
    """What a backward pass tells of one block.

    Arguments:
        block: which.
        trace: of the examples' gradients.
        real: which places are no padding; `None` where all count.
        again: how many backward passes of this batch came before.
        positions: of a sequence, over which the places go once or, where the block is called several times, more often; 0 where they are something
            else.
    """

    block: Block
    trace: Trace
    real: Bool[Tensor, "example place"] | None
    again: int
    positions: int


@dataclass(frozen=True, eq=False)
class Subject:
    """A model with its training examples.

    Arguments:
        model, examples, loss: what was trained, on what.
        coverage: the blocks of weights that are looked at.
        batch_size: examples in a pass; `None` where the memory decides.
    """

    model: Model
    examples: Examples
    loss: Loss
    coverage: Coverage
    batch_size: int | None = None

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The blocks of weights."""
        return self.coverage.blocks

    def batches(self, indices: Sequence[int]) -> Iterator[list[int]]:
        """Numbers of examples in passes.

        Arguments:
            indices: of the examples.
        """
        size = self.batch_size or rows_of_a_pass(self.blocks)
        return (list(indices[i : i + size]) for i in range(0, len(indices), size))

    def pieces(self) -> list[range]:
        """The training examples in pieces that are done or not done; they don't depend on the memory that is free, so that another run finds them."""
        n, unit = len(self.examples), self.batch_size or MOST
        each = max(unit, -(-min(LARGEST, -(-n // PIECES)) // unit * unit))
        return [range(i, min(n, i + each)) for i in range(0, n, each)]

    def back(self, examples: Examples, indices: Sequence[int], receive: Callable[[Told], None], of: Loss | None = None) -> Tensor:
        """One batch, and the way back from its losses or another metric; returns their values.

        Arguments:
            examples: of the batch.
            indices: of the batch.
            receive: is given each block's trace.
            of: the metric; the loss if not given.
        """
        batch, n, metric = examples.batch(indices), len(indices), self.loss if of is None else of_queries(of, indices)
        with watching(self.model.module, self._groups, self._receiver(examples, batch, n, receive, [0])) as watch:
            values = losses_of(metric, self.model.module, batch, n)
            watch.back(values)
        return values.detach()

    def back_from_labels(self, indices: Sequence[int], labels: Labels, receive: Callable[[Told], None]) -> None:
        """One batch of the training examples, and the ways back whose squares make the curvature.

        Arguments:
            indices: of the batch.
            labels: which.
            receive: is given each block's trace, for every way back.
        """
        if labels.kind == "empirical":
            self.back(self.examples, indices, receive)
            return
        assert isinstance(self.loss, Likelihood)
        batch, n, again = self.examples.batch(indices), len(indices), [0]
        with watching(self.model.module, self._groups, self._receiver(self.examples, batch, n, receive, again)) as watch:
            outputs = self.loss.outputs(self.model.module, batch)
            refuse_odd(self.loss, self.loss.of(outputs.detach(), batch), n)
            gradients = labels.gradients(self.loss, outputs, batch, indices)
            following = next(gradients)
            while following is not None:
                gradient, following = following, next(gradients, None)
                watch.back(outputs, gradient.to(outputs), again=following is not None)
                again[0] += 1

    @property
    def _groups(self) -> dict[str, tuple[str, ...]]:
        return {block.name: block.paths for block in self.blocks}

    def _receiver(
        self, examples: Examples, batch: Any, n: int, receive: Callable[[Told], None], again: list[int]
    ) -> Callable[[str, Sequence[Use]], None]:  # fmt: skip
        blocks, real = {block.name: block for block in self.blocks}, examples.positions(batch)

        def told(name: str, uses: Sequence[Use]) -> None:
            seen = trace(self.model.module.get_submodule(name), uses, n)
            counting = places_that_count(seen, real)
            receive(Told(blocks[name], seen, counting, again[0], 0 if counting is None or real is None else real.shape[1]))

        return told


def of_queries(of: Loss, indices: Sequence[int]) -> Loss:
    """A metric for some of the queries: one that has a target for each of them takes theirs.

    Arguments:
        of: the metric.
        indices: of the queries.
    """
    select = getattr(of, "select", None)
    return of if select is None else select(indices)


def places_that_count(seen: Trace, real: Bool[Tensor, "example pos"] | None) -> Bool[Tensor, "example place"] | None:
    """Which of a block's places are no padding; `None` where its places are not the positions.

    Arguments:
        seen: of the block.
        real: which positions are no padding.
    """
    if real is None or seen.places % real.shape[1]:
        return None
    return real.repeat(1, seen.places // real.shape[1])


def rows_of_a_pass(blocks: Sequence[Block]) -> int:
    """How many examples fit into a pass: what is kept of each, and the largest of the gradients that are formed.

    Arguments:
        blocks: that are looked at.
    """
    from sonde.jobs import rows_within

    kept = sum(block.places * (block.rows + block.cols) for block in blocks) * SHARE_OF_BATCH
    enough = max(1, PLACES // max(block.places for block in blocks))
    return min(MOST, enough, rows_within(4 * (kept + 2 * max(block.size for block in blocks))))


def refuse_nothing(found: torch.Tensor, name: str) -> None:
    """Raise where a block's curvature is zero or no number, by its name.

    Arguments:
        found: the curvature's eigenvalues.
        name: of the block.
    """
    if not torch.isfinite(found).all():
        raise SondeError(f"the curvature of {name!r} is no finite number: look at the inputs, or use float32 instead of half precision")
    if not found.any():
        raise SondeError(
            f"the curvature of {name!r} is zero: its gradients are zero for every label (a saturated softmax, or a part that is switched off); "
            "use labels='exact' or more draws, or leave it out with modules="
        )
