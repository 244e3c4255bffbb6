"""What direct contributions are returned as: one number per part and example, with what is left over."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.evidence import t_interval
from sonde.lens.writers import written_by
from sonde.results import Drawing, Result, Verdict
from sonde.results.drawing import Series, head_grid, waterfall
from sonde.tasks import Task

if TYPE_CHECKING:
    from polars import DataFrame

REMAINDER = 1e-3  # of the difference: less than can be seen

Norm = Literal["frozen", "linear", "removed"]
"""What is made of the final norm's scale, which all parts have together."""
NOTES: dict[Norm, str] = {
    "frozen": "the final norm's scale is held at its value",
    "linear": "the final norm's slope is taken too: what a little more of the part would change",
    "removed": "the part is taken out of the stream and the final norm formed anew",
}


@dataclass(frozen=True, eq=False, repr=False)
class Contributions(Result):
    """A logit difference by what each part of the model wrote straight into it.

    Arguments:
        names: the parts in the order of the stream: `embed`, `pos_embed`, `head 0.1`, `MLP 0`, ..., `attention biases`.
        values: what each part contributes, in logits.
        metric: the logit difference of target and foil.
        constant: what the biases of the final norm and of the unembedding contribute, whatever the prompt.
        counterfactual: the values under the task's counterfactuals; `None` for plain inputs.
        before_cap: whether the logits are those before the model's cap, which no sum of parts can pass.
        norm: what was made of the final norm's scale: see `direct_contributions`. With "frozen" the parts sum to the difference.
    """

    names: list[str]
    values: Float[Tensor, "part example"]
    metric: Float[Tensor, " example"]
    constant: Float[Tensor, " example"]
    counterfactual: Float[Tensor, "part example"] | None
    before_cap: bool
    norm: Norm = "frozen"

    @property
    def remainder(self) -> Float[Tensor, " example"]:
        """The logit difference without the parts and the constant: rounding with the frozen norm, else what no part alone accounts for."""
        return self.metric - self.constant - self.values.sum(0)

    @property
    def unit(self) -> str:
        """The unit of all values."""
        return "logits, target minus foil" + (", before the cap" if self.before_cap else "")

    @property
    def components(self) -> list[int]:
        """The places of heads and MLPs among the parts."""
        return [i for i, name in enumerate(self.names) if name.startswith(("head ", "MLP "))]

    def strongest(self, least: float = 0.1, most: int = 8) -> list[str]:
        """The heads and MLPs that contribute at least a share of the difference, the strongest first; of a task: more than in its counterfactuals.

        Arguments:
            least: the least share of the mean logit difference, or of its gap to the counterfactual.
            most: at most so many, and at most a third of all.
        """
        against = torch.zeros_like(self.values) if self.counterfactual is None else self.counterfactual
        shares = (self.values - against).mean(1)
        whole = self.metric.mean() if self.counterfactual is None else shares.sum()
        ranked = sorted(self.components, key=lambda i: -float(shares[i]))
        clear = [self.names[i] for i in ranked if whole > 0 and shares[i] >= least * whole]
        return clear[: min(most, max(1, len(self.components) // 3))]

    def to_frame(self) -> "DataFrame":
        """One row per part and example; constant and remainder are the last parts."""
        import polars as pl

        values = torch.cat([self.values, self.constant[None], self.remainder[None]])
        n = values.shape[1]
        return pl.DataFrame(
            {
                "part": [name for name in (*self.names, "constant", "remainder") for _ in range(n)],
                "example": list(range(n)) * len(values),
                "contribution": values.flatten().tolist(),
            }
        )

    def drawing(self) -> Drawing:
        """The way from zero to the logit difference, the largest part first: the mean over the examples, beside that of their counterfactuals."""
        n, against = self.values.shape[1], self.counterfactual
        values, labels = torch.cat([self.values, self.constant[None]]), [*self.names, "constant"]
        marks = None if against is None else torch.cat([against, self.constant[None]]).mean(1)
        note = f"{'One prompt' if n == 1 else f'Mean over {n} prompts'}; {NOTES[self.norm]}."
        if self.norm != "frozen":
            note += " The parts do not sum to the difference."
        elif float(self.remainder.abs().max()) > REMAINDER * float(self.metric.abs().max()):
            note += f" Rounding leaves {float(self.remainder.mean()):+.2g}."
        return waterfall(
            "What does each part write into the answer?",
            self.unit,
            labels,
            values.mean(1),
            intervals=[t_interval(row) for row in values] if n > 1 else None,
            total="sum" if self.norm == "frozen" else float(self.metric.mean()),
            bar_control=None if marks is None else Series("the same part under the counterfactual", marks),
            note=note,
        )

    def head_grid(self, patterns: Float[Tensor, "layer head query key"] | None = None, tokens: Sequence[str] | None = None) -> Drawing:
        """The heads as a grid: a row for each block, the mean over the examples.

        Arguments:
            patterns: attention of one prompt, which opens beside a head.
            tokens: that prompt's tokens.
        """
        heads = [(int(layer), int(head)) for layer, head in (name[5:].split(".") for name in self.names if name.startswith("head "))]
        n_layers, n_heads = (1 + max(places) for places in zip(*heads, strict=True))
        values = self.of([f"head {layer}.{head}" for layer, head in heads]).mean(1).view(n_layers, n_heads)
        return head_grid("Which heads write the answer?", self.unit, values, patterns=patterns, tokens=tokens)

    def of(self, names: Sequence[str]) -> Float[Tensor, "part example"]:
        """The values of some parts, by name."""
        return self.values[[self.names.index(name) for name in names]]

    def check(self, model: Model, task: Task, seed: int = 0, sets: int = 20) -> list[Verdict]:
        """Whether the strongest parts write the answer on other prompts, too: see `sonde.lens.written_by`.

        Arguments:
            model: the model that was taken apart.
            task: prompts that were not looked at, with counterfactuals.
            seed: of the random sets.
            sets: how many random sets make the control.
        """
        self.refuse_other(model)
        return [written_by(model, task, self.strongest(), seed, sets)]
