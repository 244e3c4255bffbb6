"""What would have to be different: the fewest columns that a leaf of another class asks to change, asked of the model itself.

The tree only proposes. A proposal counts where the model, not the tree, says the other class of the changed row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.attribution.surrogate.rules import Columns
from sonde.attribution.surrogate.trees import SurrogateTree


@dataclass(frozen=True, eq=False)
class Counterfactual:
    """A changed row of which the model says another class.

    Arguments:
        changes: for each changed column its value before and after, in its own unit.
        row: the changed row.
        before, after: what the model says of the row as it was, and changed.
        refuted: how many proposals of the tree with no more changes the model did not follow.
    """

    changes: dict[str, tuple[float, float]]
    row: Float[Tensor, " column"]
    before: int
    after: int
    refuted: int


def proposals(
    tree: SurrogateTree, row: Float[Tensor, " column"], said: int, seen: Float[Tensor, "row column"], together: Mapping[str, Sequence[int]]
) -> list[Float[Tensor, " column"]]:
    """The row changed such that it falls into each leaf of another class, the fewest changes first, then the smallest.

    Arguments:
        tree: the surrogate.
        row: the case.
        said: the class that is to change.
        seen: rows whose values may be taken: a change goes to the nearest value that some row has.
        together: the places of each attribute; of several exactly one is 1, and stays so.
    """
    scale = seen.std(0).clamp(min=1e-6)
    found = []
    for leaf, path in tree.paths().items():
        if int(tree.values[leaf].argmax()) == said:
            continue
        changed = _into(path, row, seen)
        changed = None if changed is None else _one_hot(changed, row, together)
        if changed is not None and int(tree.leaf(changed[None])) == leaf:
            moved = (changed - row).abs()
            attributes = {_attribute(column, together) for column in moved.nonzero()[:, 0].tolist()}
            found.append((len(attributes), float((moved / scale).sum()), changed))
    return [changed for _, _, changed in sorted(found, key=lambda one: one[:2])]


def verified(
    candidates: Sequence[Float[Tensor, " column"]], row: Float[Tensor, " column"], said: Int[Tensor, " candidate"], before: int, columns: Columns
) -> Counterfactual | None:
    """The first candidate of which the model says another class; `None` where it follows none.

    Arguments:
        candidates: changed rows, the best first.
        row: the row as it was.
        said: what the model says of each candidate.
        before: what it says of the row.
        columns: how they are called.
    """
    for i, (changed, after) in enumerate(zip(candidates, said.tolist(), strict=True)):
        if after != before:
            moved = (changed != row).nonzero()[:, 0].tolist()
            changes = {columns.names[i]: (columns.original(i, float(row[i])), columns.original(i, float(changed[i]))) for i in moved}
            return Counterfactual(changes, changed, before, after, refuted=i)
    return None


def _into(
    path: Sequence[tuple[int, float, bool]], row: Float[Tensor, " column"], seen: Float[Tensor, "row column"]
) -> Float[Tensor, " column"] | None:
    """The row with every value that breaks a condition moved to the nearest one seen that keeps all conditions on its column."""
    changed = row.clone()
    for column in {column for column, _, _ in path}:
        mine = [(threshold, above) for asked, threshold, above in path if asked == column]
        values = torch.cat([row[column].reshape(1), seen[:, column]])
        fitting = torch.ones(len(values), dtype=torch.bool)
        for threshold, above in mine:
            fitting &= (values > threshold) if above else (values <= threshold)
        if not bool(fitting.any()):
            return None
        kept = values[fitting]
        changed[column] = kept[(kept - row[column]).abs().argmin()]
    return changed


def _one_hot(
    changed: Float[Tensor, " column"], row: Float[Tensor, " column"], together: Mapping[str, Sequence[int]]
) -> Float[Tensor, " column"] | None:
    """Of an attribute with several places exactly one is 1: where a new one was set the old one goes; where none is left there is no such row."""
    changed = changed.clone()
    for places in together.values():
        columns = list(places)
        if len(columns) < 2 or torch.equal(changed[columns], row[columns]):
            continue
        new = [column for column in columns if changed[column] > 0.5 and row[column] <= 0.5]
        if len(new) != 1:
            return None
        changed[columns] = 0.0
        changed[new[0]] = 1.0
    return changed


def _attribute(column: int, together: Mapping[str, Sequence[int]]) -> str | int:
    return next((name for name, places in together.items() if column in places), column)
