"""What every attribution method returns: one number per token, pixel, feature or group of them, with what it needs to be judged."""

import math
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.results import Drawing, InputError, Result, Verdict
from sonde.results.drawing import Scale, bars, matrix, overlay, tokens

if TYPE_CHECKING:
    from polars import DataFrame

    from sonde.access import Metric, Model

MOST_BARS = 60
OPAQUE = re.compile(r"tensor |[A-Z]\w+\(.*\)$")  # what a recipe says of an argument that it does not keep


@dataclass(frozen=True, eq=False, repr=False)
class Attribution(Result):
    """How much each place of the input (or of another site) contributed to a metric.

    Arguments:
        method: the method's name, for people.
        values: one number per place, in the metric's unit, signed unless the method's name says otherwise; NaN where a row has no token.
        axes: the names of the values' axes after the example: ("pos",) for tokens, ("channel", "row", "col") for pictures, ("unit",) for the
            features of a table, ("pos", "head") and the like at other sites; ("group",) where places were taken together.
        site: where.
        metric: the metric's value for each example.
        unit: of the metric, and of the values unless they have their own.
        tokens: the text of each row's tokens, special ones included; empty where the places are no tokens.
        special: true at special tokens.
        pictures: the pictures that were explained, for drawing; `None` where there are none, or they have other than 1 or 3 channels.
        names: the names of the last axis, such as a table's columns, or of the groups; empty where they have none.
        groups: the group of every place, counted from 0; -1 at places that stay. `None` where every place is by itself.
        absent: what stands for what is absent; empty for methods that remove nothing.
        absent_metric: the metric with everything absent, for methods whose values sum to the difference; `None` for others.
        own_unit: the unit of the values where it is not the metric's, such as a share of attention.
        error: the standard error of each value, where they are estimated from draws.
        spread: the standard deviation of each value over several baselines.
        steps: how many points of the path were looked at; 0 for methods without one.
        fit: how well a fitted model explains the metric over the inputs that were drawn (R^2), for methods that fit one; `None` for others.
        evaluations: how often the model was asked, for each example; 0 where the method does not count.
        notes: what was decided on the way.
    """

    method: str
    values: Float[Tensor, "example *place"]
    metric: Float[Tensor, " example"]
    unit: str
    axes: tuple[str, ...] = ("pos",)
    site: str = "embed"
    tokens: list[list[str]] = field(default_factory=list)
    special: list[list[bool]] = field(default_factory=list)
    pictures: Float[Tensor, "example channel row col"] | None = None
    names: tuple[str, ...] = ()
    groups: Int[Tensor, "example *cell"] | None = None
    absent: str = ""
    absent_metric: Float[Tensor, " example"] | None = None
    own_unit: str = ""
    error: Float[Tensor, "example *place"] | None = None
    spread: Float[Tensor, "example *place"] | None = None
    steps: int = 0
    fit: Float[Tensor, " example"] | None = None
    evaluations: int = 0
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", tuple(self.axes))  # lists, where they were read from a file
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "notes", tuple(self.notes))

    def __len__(self) -> int:
        return len(self.values)

    @property
    def unit_of_values(self) -> str:
        """The unit of the values."""
        return self.own_unit or self.unit

    @property
    def residual(self) -> Float[Tensor, " example"] | None:
        """What the values leave unexplained, F(x) - F(x') - sum of values, for methods that promise to leave nothing; `None` for others."""
        if self.absent_metric is None:
            return None
        return self.metric - self.absent_metric - self.values.flatten(1).nansum(-1)

    def cells(self) -> Float[Tensor, "example *cell"]:
        """The values by place, without groups and without channels: a group's value is shared out evenly among its places, channels are summed."""
        if self.groups is not None:
            return torch.stack([_spread(values, groups) for values, groups in zip(self.values, self.groups, strict=True)])
        return self.values.sum(1) if self.axes == ("channel", "row", "col") else self.values

    def grouped_as(self, other: "Attribution") -> "Attribution":
        """The same values summed over the groups of another attribution of these inputs, so that both can be compared.

        Arguments:
            other: in groups; of the same examples.

        Raises:
            InputError: it has no groups, or places of another shape.
        """
        cells = self.cells().nan_to_num()
        if other.groups is None or other.groups.shape != cells.shape:
            shape = None if other.groups is None else tuple(other.groups.shape)
            raise InputError(f"{self.method} has places of shape {tuple(cells.shape)}, and the groups of {other.method} have {shape}")
        sums = torch.zeros(len(self), other.values.shape[1] + 1)  # the last is that of places in no group
        sums.scatter_add_(1, other.groups.flatten(1).where(other.groups.flatten(1) >= 0, torch.tensor(sums.shape[1] - 1)), cells.flatten(1))
        values = sums[:, :-1].masked_fill(other.values.isnan(), float("nan"))
        return replace(self, values=values, axes=("group",), groups=other.groups, names=other.names, error=None)

    @property
    def counted(self) -> Bool[Tensor, "example *place"]:
        """True at the places that can be ranked: no padding, and no special token."""
        counted = ~self.values.isnan()
        if self.special and self.axes[:1] == ("pos",):
            for row, special in enumerate(self.special):
                counted[row, len(special) :] = False
                counted[row, : len(special)] &= ~torch.tensor(special).view(-1, *[1] * (counted.ndim - 2))
        return counted

    def highest(self, example: int, k: int) -> list[int]:
        """The places of an example's `k` highest values, special tokens left out, the highest first; counted along the flattened axes."""
        values = self.values[example].masked_fill(~self.counted[example], -math.inf).flatten()
        order = sorted(self.counted[example].flatten().nonzero()[:, 0].tolist(), key=lambda i: -float(values[i]))
        return order[:k]

    def to_frame(self) -> "DataFrame":
        """One row per place: its example, its index along each axis, what it is called, its value."""
        import polars as pl

        places = (~self.values.isnan()).nonzero()
        columns: dict[str, Any] = {"example": places[:, 0].tolist()}
        columns |= {axis: places[:, 1 + i].tolist() for i, axis in enumerate(self.axes)}
        if self.tokens and self.axes[0] == "pos":
            columns["token"] = [self.tokens[i][pos] for i, pos in places[:, :2].tolist()]
            columns["special"] = [self.special[i][pos] for i, pos in places[:, :2].tolist()]
        if self.names:
            columns["name"] = [self.names[i] for i in places[:, -1].tolist()]
        columns["value"] = self.values[tuple(places.T)].tolist()
        if self.error is not None:
            columns["error"] = self.error[tuple(places.T)].tolist()
        if self.spread is not None:
            columns["spread"] = self.spread[tuple(places.T)].tolist()
        return pl.DataFrame(columns)

    def drawing(self, example: int = 0) -> Drawing:
        """One example: its tokens coloured, its picture under a map, or bars of its features."""
        title, note = f"{self._question} {self.method[:1].upper() + self.method[1:]}", self._note(example)
        if self.axes == ("pos",) and self.tokens:
            row = self.tokens[example]
            details = ["special token" if special else "" for special in self.special[example]]
            return tokens(title, self.unit_of_values, row, self.values[example, : len(row)], details=details, note=note)
        cells = self.cells()[example]
        if self.groups is not None and self.tokens:
            row = self.tokens[example]
            return tokens(title, self.unit_of_values, row, cells[: len(row)], note=f"{note} Tokens of one group share its value.")
        if cells.ndim == 2 and self.pictures is not None:
            scale: Scale = "sequential" if "unsigned" in self.method else "diverging"
            return overlay(title, self.unit_of_values, self.pictures[example], cells, scale=scale, note=note)
        if cells.ndim == 2:
            down, across = self.axes[-2:] if self.groups is None else ("row", "col")
            rows, cols = [str(i) for i in range(cells.shape[0])], [str(i) for i in range(cells.shape[1])]
            return matrix(title, self.unit_of_values, cells, row_name=down, rows=rows, col_name=across, cols=cols, note=note)
        if cells.ndim > 2:
            raise InputError(f"values with the axes {' '.join(self.axes)} make no one drawing: sum or select some, or use to_frame()")
        return self._bars(title, example, note)

    def check(self, model: "Model", task: Any, of: "Metric | None" = None, **options: Any) -> list[Verdict]:
        """Test on other examples whether the places that the method ranks highest matter more than others.

        Arguments:
            model: the model that was explained.
            task: other prompts as a task (see `sonde.attribution.check`); or other inputs, of any kind, of which deletion and insertion are compared
                with random orders (see `sonde.attribution.evaluation.curves`).
            of: for inputs, the metric.
            options: further arguments of the test, such as `seed`.

        Raises:
            CheckRefused: the model is another one. InputError: an argument of the method that the recipe does not keep.
        """
        from sonde import attribution

        self.refuse_other(model)
        arguments = dict(self.recipe.arguments)
        opaque = [name for name, value in arguments.items() if isinstance(value, str) and OPAQUE.match(value)]
        if opaque:
            kind = "a tensor" if str(arguments[opaque[0]]).startswith("tensor ") else "an object"
            raise InputError(f"{opaque[0]} was given as {kind}, which the recipe does not keep: call sonde.attribution.check with the method itself")
        if "tolerance" in arguments:
            arguments["tolerance"] = math.inf  # the order of places settles long before their sum
        again = getattr(attribution, self.recipe.function.rpartition(".")[2])
        if of is None:
            return [attribution.check(model, task, lambda m, t: again(m, t, **arguments), **options)]
        other = again(model, task, of, **arguments)
        return attribution.evaluation.curves(model, task, other, of, **options).check(model)

    @property
    def _question(self) -> str:
        things = {"pos": "tokens", "row": "places", "col": "places", "group": "parts", "unit": "features", "feature": "features"}
        return f"Which {things.get(self.axes[-1] if len(self.axes) != 1 else self.axes[0], 'places')} mattered?"

    def _note(self, example: int) -> str:
        notes = [f"Of {float(self.metric[example]):+.3g} {self.unit}"]
        if self.site not in ("embed", ":in"):
            notes.append(f"at {self.site}")
        if self.absent:
            notes.append(f"what is absent is {self.absent}" if not self.tokens else f"absent tokens: {self.absent}")
        if self.residual is not None:
            steps = f" ({self.steps} steps)" if self.steps else ""
            notes.append(f"the values leave {float(self.residual[example]):+.2g} unexplained{steps}")
        if self.fit is not None:
            notes.append(f"the fitted model explains R^2 = {float(self.fit[example]):.2f}")
        if self.evaluations:
            notes.append(f"{self.evaluations} evaluations")
        return "; ".join([*notes, *self.notes]) + "."

    def _bars(self, title: str, example: int, note: str) -> Drawing:
        values = self.values[example]
        labels = list(self.names) or [str(i) for i in range(len(values))]
        order = values.abs().nan_to_num(-1).argsort(descending=True)[:MOST_BARS]
        if len(values) > MOST_BARS:
            note = f"{note} The {MOST_BARS} largest of {len(values)}."
        intervals = None
        if self.error is not None:
            spread = 1.96 * self.error[example, order]
            intervals = torch.stack([values[order] - spread, values[order] + spread], -1).tolist()
        return bars(title, self.unit_of_values, [labels[i] for i in order.tolist()], values[order], intervals=intervals, note=note)


def by_token(values: Float[Tensor, "example column *rest"], mask: Bool[Tensor, "example column"]) -> Float[Tensor, "example pos *rest"]:
    """Values of a padded batch moved to where each row's tokens are counted from 0, NaN behind them."""
    moved = torch.full(values.shape, float("nan"))
    for row, (value, real) in enumerate(zip(values, mask, strict=True)):
        moved[row, : int(real.sum())] = value[real].detach().float().cpu()
    return moved


def _spread(values: Float[Tensor, " group"], groups: Int[Tensor, " *cell"]) -> Float[Tensor, " *cell"]:
    """A group's value shared out evenly among its places; 0 at places that stay."""
    sizes = torch.bincount(groups[groups >= 0].flatten(), minlength=len(values)).clamp(min=1)
    shares = torch.cat([values / sizes, torch.zeros(1)])
    return shares[groups]
