"""The same question to a transformer: does it matter where one head looks?

At the last position the pattern of one head is shuffled, or made equal, by an edit; the other heads keep theirs. How far the prediction of the
next token moves, in TVD, stands beside the head's largest weight there. Of many heads the others may make up for one: a small movement says that
this head's pattern is not needed here, not that attention is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model, Run, Set
from sonde.access.inputs import Given
from sonde.attribution.attention.bins import by_largest
from sonde.attribution.attention.distances import tvd
from sonde.attribution.attention.permutation import shuffles, with_largest
from sonde.attribution.attention.weighing import equal
from sonde.evidence import compare
from sonde.results import Drawing, InputError, Recipe, Result, Verdict
from sonde.tasks import Task

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass(frozen=True, eq=False)
class Moved:
    """How far the prediction of the next token is from a reference, in TVD.

    Arguments:
        reference: the probabilities that it is compared with.
    """

    reference: Float[Tensor, "batch vocab"]
    pos: ClassVar[int] = -1
    rows: ClassVar[None] = None

    def select(self, examples: Sequence[int]) -> Self:
        """The metric of some of the examples."""
        return replace(self, reference=self.reference[list(examples)])

    def __call__(self, run: Run) -> Float[Tensor, " batch"]:
        return tvd(run.logits_at(self.pos).softmax(-1), self.reference)


@dataclass(frozen=True, eq=False, repr=False)
class AttentionHeads(Result):
    """How far the prediction moves when one head's pattern is shuffled at the last position.

    Arguments:
        heads: such as "2.1": block 2, head 1.
        moved: the median TVD over shuffles of all weights.
        kept_largest: the same where the largest weight stays where it is.
        uniform: the TVD where the head looks everywhere alike.
        largest: the head's largest weight at the last position.
    """

    heads: tuple[str, ...]
    moved: Float[Tensor, "head example"]
    kept_largest: Float[Tensor, "head example"]
    uniform: Float[Tensor, "head example"]
    largest: Float[Tensor, "head example"]

    def to_frame(self) -> "DataFrame":
        """One row per head and example."""
        import polars as pl

        n = self.moved.shape[1]
        values = {name: getattr(self, name).flatten().tolist() for name in ("largest", "moved", "kept_largest", "uniform")}
        return pl.DataFrame({"head": [head for head in self.heads for _ in range(n)], "example": [*range(n)] * len(self.heads)} | values)

    def drawing(self) -> Drawing:
        """How far the prediction moves, by the largest weight, over all heads and examples: as violins."""
        most = int(self.moved.mean(1).argmax())
        return by_largest(
            "Does it matter where one head looks?",
            "median TVD of the next token",
            self.moved.flatten(),
            self.largest.flatten(),
            note=f"One head at a time, {len(self.heads)} heads; head {self.heads[most]} moves most, {self.moved[most].mean():.2g} on average.",
        )

    def check(self, model: Model) -> list[Verdict]:
        """Test for the head that moves most whether the place of its largest weight decides.

        The head was chosen because it moves most, so the verdict flatters: repeat it on other prompts.

        Arguments:
            model: the model.

        Raises:
            CheckRefused: the result was computed on another model.
        """
        self.refuse_other(model)
        most = int(self.moved.mean(1).argmax())
        return [
            compare(
                f"The prediction rests on where head {self.heads[most]} looks most.",
                "median TVD of the next token when the head's weights at the last position are shuffled",
                self.moved[most],
                self.kept_largest[most],
                threshold=0.1,
                threshold_source="a tenth of probability: a convention",
            )
        ]


def heads(model: Model, task: Task | Given, draws: int = 10, seed: int = 0) -> AttentionHeads:
    """Shuffle the pattern of every head at the last position, one head at a time.

    Arguments:
        model: a transformer of a known family.
        task: a task, or inputs, each of 3 tokens or more.
        draws: shuffles for each head and example; odd numbers have a median among them.
        seed: of the shuffles; all heads get the same.

    Raises:
        InputError: an input of fewer tokens, no draws, or a model without heads.

    >>> import sonde
    >>> model = sonde.load("specimen:words-small")
    >>> heads(model, "The keys on the cabinet", draws=2).largest.shape == (model.n_layers * model.n_heads, 1)
    True
    """
    if not model.n_heads or draws < 1:
        raise InputError(f"draws={draws}: give 1 or more" if model.n_heads else f"{model.name} has no attention heads that sonde knows")
    inputs: Any = task.clean if isinstance(task, Task) else task
    run = model.run(inputs, read="blocks.*.attn.pattern", logits="last")
    mask = run.mask
    if mask is None or int(mask.sum(1).min()) < 3:
        raise InputError("an input has fewer than 3 tokens, so that there is nothing to shuffle: give longer ones")
    every = [(layer, head) for layer in range(model.n_layers) for head in range(model.n_heads)]
    patterns = torch.stack([run[f"blocks.{layer}.attn.pattern[head={head}, query=-1]"] for layer, head in every])
    orders = shuffles(mask.cpu(), draws, torch.Generator().manual_seed(seed)).to(patterns.device)
    edits = []
    for (layer, head), pattern in zip(every, patterns, strict=True):
        site = f"blocks.{layer}.attn.pattern[head={head}, query=-1]"
        spread = pattern[:, None].expand(-1, draws, -1)
        new = [*spread.gather(-1, orders).unbind(1), *spread.gather(-1, with_largest(orders, pattern)).unbind(1)]
        edits += [Set(site, value) for value in [*new, equal(mask).to(pattern)]]
    values = model.sweep(inputs, edits, metric=Moved(run.logits_at(-1).softmax(-1))).values.unflatten(0, (len(every), 2 * draws + 1)).cpu()
    content = task.content if isinstance(task, Task) else [ids[real].tolist() for ids, real in zip(run.ids, mask, strict=True)]
    return AttentionHeads(
        heads=tuple(f"{layer}.{head}" for layer, head in every),
        moved=values[:, :draws].median(1).values,
        kept_largest=values[:, draws:-1].median(1).values,
        uniform=values[:, -1],
        largest=patterns.max(-1).values.cpu(),
        recipe=Recipe.of("sonde.attribution.attention.heads", {"draws": draws}, model_hash=model.hash, inputs=content, seed=seed),
    )
