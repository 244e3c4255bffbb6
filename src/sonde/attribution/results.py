"""What every attribution method returns: one number per token, with what it needs to be judged."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.results import Drawing, InputError, Result, Verdict
from sonde.results.drawing import tokens

if TYPE_CHECKING:
    from polars import DataFrame

    from sonde.access import Model
    from sonde.tasks import Task


@dataclass(frozen=True, eq=False, repr=False)
class Attribution(Result):
    """How much each token of the input contributed to a metric.

    Arguments:
        method: the method's name, for people.
        values: one number per token, in the metric's unit; NaN where a row has no token.
        tokens: the text of each row's tokens, special ones included.
        special: true at special tokens.
        metric: the metric's value for each example.
        unit: of the metric and of the values.
        absent: what stands for an absent token; empty for methods that remove nothing.
        absent_metric: the metric with all tokens absent; `None` for methods that do not look at it.
        steps: how many points of the path were looked at; 0 for methods without one.
    """

    method: str
    values: Float[Tensor, "example pos"]
    tokens: list[list[str]]
    special: list[list[bool]]
    metric: Float[Tensor, " example"]
    unit: str
    absent: str = ""
    absent_metric: Float[Tensor, " example"] | None = None
    steps: int = 0

    @property
    def residual(self) -> Float[Tensor, " example"] | None:
        """What the values leave unexplained, F(x) - F(x') - sum of values, for methods that promise to leave nothing; `None` for others."""
        if self.absent_metric is None:
            return None
        return self.metric - self.absent_metric - self.values.nansum(-1)

    def highest(self, example: int, k: int) -> list[int]:
        """The positions of an example's `k` highest tokens, special ones left out, the highest first."""
        real = [i for i, special in enumerate(self.special[example]) if not special]
        return sorted(real, key=lambda i: -float(self.values[example, i]))[:k]

    def to_frame(self) -> "DataFrame":
        """One row per token."""
        import polars as pl

        rows = [
            (example, pos, token, self.special[example][pos], float(self.values[example, pos]))
            for example, row in enumerate(self.tokens)
            for pos, token in enumerate(row)
        ]
        return pl.DataFrame(rows, ["example", "pos", "token", "special", "value"], orient="row")

    def drawing(self, example: int = 0) -> Drawing:
        """The tokens of one example, coloured by their values."""
        row = self.tokens[example]
        notes = [f"Of {float(self.metric[example]):+.3g} {self.unit}"]
        if self.absent:
            notes.append(f"absent tokens: {self.absent}")
        if self.residual is not None:
            notes.append(f"the values leave {float(self.residual[example]):+.2g} unexplained ({self.steps} steps)")
        return tokens(
            f"Which tokens mattered? {self.method.capitalize()}",
            self.unit,
            row,
            self.values[example, : len(row)],
            details=["special token" if special else "" for special in self.special[example]],
            note="; ".join(notes) + ".",
        )

    def check(self, model: "Model", task: "Task", **options: Any) -> list[Verdict]:
        """Test on other prompts whether the tokens that the method ranks highest matter more than others; see `sonde.attribution.check`."""
        from sonde import attribution

        self.refuse_other(model)
        arguments = dict(self.recipe.arguments)
        opaque = [name for name, value in arguments.items() if isinstance(value, str) and value.startswith("tensor ")]
        if opaque:
            raise InputError(
                f"{opaque[0]} was given as a tensor, which the recipe does not keep: call sonde.attribution.check with the method itself"
            )
        if "tolerance" in arguments:
            arguments["tolerance"] = math.inf  # the order of tokens settles long before their sum
        again = getattr(attribution, self.recipe.function.rpartition(".")[2])
        return [attribution.check(model, task, lambda m, t: again(m, t, **arguments), **options)]


def by_token(values: Float[Tensor, "example column"], mask: Tensor) -> Float[Tensor, "example pos"]:
    """Values of a padded batch moved to where each row's tokens are counted from 0, NaN behind them."""
    moved = torch.full(values.shape, float("nan"))
    for row, (value, real) in enumerate(zip(values, mask, strict=True)):
        moved[row, : int(real.sum())] = value[real].detach().float().cpu()
    return moved
