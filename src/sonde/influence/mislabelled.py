"""Do examples with a wrong label stand out by their influence on themselves?

The area under the curve is the probability that a wrong example has more self-influence than a right one; and what a person who checks examples in
this order has found after the first tenth. It is a use of scores, not a test of them: the loss alone, and even squared gradients, find nearly as
many on easy data, so the control beside it is the order by loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.evidence import ranks
from sonde.influence.results import SelfInfluence
from sonde.results import Drawing, InputError, Recipe, Result, shown

if TYPE_CHECKING:
    from polars import DataFrame

CHECKED = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 1.0)  # shares of the examples


@dataclass(frozen=True, eq=False, repr=False)
class Mislabelled(Result):
    """How well an order of examples finds those with a wrong label.

    Arguments:
        methods: by what examples were ordered.
        auc: the area under the curve of each.
        checked: shares of the examples that a person looks at.
        found: the share of the wrong labels among them.
        wrong: which examples have a wrong label.
        n: how many examples there are.
    """

    methods: list[str]
    auc: list[float]
    checked: list[float]
    found: Float[Tensor, "method share"]
    wrong: list[int]
    n: int

    def after(self, share: float) -> dict[str, float]:
        """The share of the wrong labels found after checking a share of the examples.

        Arguments:
            share: one of `checked`.

        Raises:
            InputError: one that was not counted.
        """
        if share not in self.checked:
            raise InputError(f"share={shown(share)} was not counted: there is {', '.join(f'{one:g}' for one in self.checked)}")
        return dict(zip(self.methods, self.found[:, self.checked.index(share)].tolist(), strict=True))

    def to_frame(self) -> "DataFrame":
        """One row per method and share."""
        import polars as pl

        rows = [(name, auc, share, float(self.found[i, j])) for i, (name, auc) in enumerate(zip(self.methods, self.auc, strict=True))
                for j, share in enumerate(self.checked)]  # fmt: skip
        return pl.DataFrame(rows, ["method", "auc", "checked", "found"], orient="row")

    def drawing(self) -> Drawing:
        """What share of the wrong labels is found after checking which share of the examples."""
        from sonde.results.drawing import Series, lines

        series = [Series(f"{name} (area {auc:.3f})", row.tolist()) for name, auc, row in zip(self.methods, self.auc, self.found, strict=True)]
        note = f"{len(self.wrong)} wrong labels among {self.n}. Easy data do not tell methods apart here; no measure of a method by itself."
        return lines(
            "How many wrong labels are found?", "share of the wrong labels", "share checked", self.checked, series,
            spacing="linear", control=Series("random order", self.checked), note=note,
        )  # fmt: skip


def mislabelled(own: SelfInfluence, wrong: Sequence[int]) -> Mislabelled:
    """How well self-influence finds known wrong labels, beside the order by loss.

    Arguments:
        own: of the training examples.
        wrong: the numbers of those whose label is wrong.

    Raises:
        InputError: none, all, or one that is no example.

    >>> from sonde.influence import CrossEntropy, fit
    >>> x, y = torch.randn(20, 4), torch.arange(20) % 3
    >>> found = mislabelled(fit(torch.nn.Linear(4, 3), (x, y), CrossEntropy()).self_influence(), [3, 4])
    >>> found.after(1.0)["self-influence"]
    1.0
    """
    n, places = len(own.values), sorted({int(i) for i in wrong})
    if not places or len(places) >= n or len(places) < len(wrong) or places[0] < 0 or places[-1] >= n:
        raise InputError(f"wrong={shown(wrong)}: give different numbers from 0 to {n - 1}, at least one and not all")
    by = {"self-influence": own.values.double().cpu(), "loss": own.losses.double().cpu()}
    among = torch.zeros(n, dtype=torch.bool)
    among[places] = True
    found = torch.stack([torch.stack([_found(values, among, share) for share in CHECKED]) for values in by.values()])
    recipe = Recipe.of("sonde.influence.mislabelled", {"wrong": len(places), "of": str(own.recipe)}, model_hash=own.recipe.model_hash, inputs=places)
    return Mislabelled(list(by), [_area(values, among) for values in by.values()], list(CHECKED), found, places, n, recipe=recipe)


def _area(values: Float[Tensor, " example"], among: Tensor) -> float:
    """Mann and Whitney's statistic as a share, ties counted half."""
    k, rest = int(among.sum()), int((~among).sum())
    return (float(ranks(values)[among].sum()) - k * (k - 1) / 2) / (k * rest)


def _found(values: Float[Tensor, " example"], among: Tensor, share: float) -> Tensor:
    order = values.argsort(descending=True, stable=True)[: round(share * len(values))]
    return among[order].double().sum() / among.sum()
