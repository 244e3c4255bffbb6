"""Rules read off a tree: what holds in a leaf, and whether the model does there what the tree says."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.attribution.surrogate.trees import SurrogateTree
from sonde.evidence import wilson


@dataclass(frozen=True)
class Columns:
    """How people speak of the columns.

    Arguments:
        names: of the columns.
        scales: by name, the mean and the deviation by which a column was standardised.
        one_hot: the columns that are 1 for one value of an attribute and 0 for the others.
    """

    names: list[str]
    scales: dict[str, tuple[float, float]]
    one_hot: list[int]

    def original(self, column: int, value: float) -> float:
        """A value in the column's own unit."""
        mean, deviation = self.scales.get(self.names[column], (0.0, 1.0))
        return mean + deviation * value


@dataclass(frozen=True)
class Rule:
    """If the conditions hold, the model says the class.

    Arguments:
        conditions: a column's number, and the ends between which its value lies: above the first, up to the second; infinite where open.
        text: the conditions for people.
        outcome: the class.
        coverage: the share of rows for which the conditions hold.
        n: how many rows these are.
        precision: the share of them for which the model says the class.
        interval: of the precision, at 95 %.
        lift: the precision over the share of the class among all rows.
    """

    conditions: tuple[tuple[int, float, float], ...]
    text: str
    outcome: int
    coverage: float
    n: int
    precision: float
    interval: tuple[float, float]
    lift: float

    def holds(self, inputs: Float[Tensor, "row column"]) -> Bool[Tensor, " row"]:
        """For which rows the conditions hold."""
        found = torch.ones(len(inputs), dtype=torch.bool)
        for column, low, high in self.conditions:
            found &= (inputs[:, column] > low) & (inputs[:, column] <= high)
        return found


def rules_of(tree: SurrogateTree, inputs: Float[Tensor, "row column"], classes: Int[Tensor, " row"], columns: Columns) -> tuple[list[Rule], int]:
    """The rules that the model keeps on rows that the tree was not fitted to, the widest first; and how many it does not keep.

    A rule is dropped where it covers no such row, or where its precision is not surely above what the class has everywhere.

    Arguments:
        tree: the surrogate.
        inputs: held-out rows.
        classes: what the model says of them.
        columns: how they are called.
    """
    kept = []
    paths = tree.paths()
    for leaf, path in paths.items():
        ends: dict[int, tuple[float, float]] = {}
        for column, threshold, above in path:
            low, high = ends.get(column, (float("-inf"), float("inf")))
            ends[column] = (max(low, threshold), high) if above else (low, min(high, threshold))
        conditions = tuple((column, low, high) for column, (low, high) in ends.items())
        outcome = int(tree.values[leaf].argmax())
        rule = Rule(conditions, _text(conditions, columns), outcome, 0.0, 0, 0.0, (0.0, 1.0), 0.0)
        covered = rule.holds(inputs)
        n, base = int(covered.sum()), float((classes == outcome).double().mean())
        if not n:
            continue
        right = int((classes[covered] == outcome).sum())
        interval = wilson(right, n)
        if interval[0] > base or (base == 1 and right == n):
            precision = right / n
            kept.append(Rule(conditions, rule.text, outcome, n / len(inputs), n, precision, interval, precision / base))
    return sorted(kept, key=lambda rule: -rule.coverage), len(paths) - len(kept)


def _text(conditions: Sequence[tuple[int, float, float]], columns: Columns) -> str:
    parts = []
    for column, low, high in conditions:
        name, ends = columns.names[column], [columns.original(column, end) for end in (low, high)]
        if column in columns.one_hot:
            parts.append(name if low > float("-inf") else f"not {name}")
        elif low > float("-inf") and high < float("inf"):
            parts.append(f"{ends[0]:.4g} < {name} <= {ends[1]:.4g}")
        else:
            parts.append(f"{name} > {ends[0]:.4g}" if low > float("-inf") else f"{name} <= {ends[1]:.4g}")
    return " and ".join(parts) or "always"
