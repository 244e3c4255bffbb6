"""Trees as plain data: fitted by scikit-learn, kept as arrays, so that a result can be saved, read back and asked without pickle."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

LEAF = -1  # what stands for a child where there is none


@dataclass(frozen=True, eq=False)
class SurrogateTree:
    """A decision tree: at each inner node a row goes left if its value in a column is at most the threshold.

    Arguments:
        columns: the column that each node asks about.
        thresholds: of each node.
        left, right: the children; -1 in a leaf.
        values: the share of each class among the rows of training at a node.
        weights: how many these are.
    """

    columns: Int[Tensor, " node"]
    thresholds: Float[Tensor, " node"]
    left: Int[Tensor, " node"]
    right: Int[Tensor, " node"]
    values: Float[Tensor, "node class"]
    weights: Float[Tensor, " node"]

    def leaf(self, inputs: Float[Tensor, "row column"]) -> Int[Tensor, " row"]:
        """The node at which each row ends."""
        node = torch.zeros(len(inputs), dtype=torch.long)
        while bool((inner := self.left[node] != LEAF).any()):
            asked = inputs.gather(1, self.columns[node].clamp(min=0)[:, None])[:, 0]
            child = torch.where(asked <= self.thresholds[node], self.left[node], self.right[node])
            node = torch.where(inner, child, node)
        return node

    def __call__(self, inputs: Float[Tensor, "row column"]) -> Float[Tensor, "row class"]:
        """The share of each class in each row's leaf."""
        return self.values[self.leaf(inputs)]

    def paths(self) -> dict[int, list[tuple[int, float, bool]]]:
        """For each leaf its conditions from the root: the column, the threshold, and whether the value is above it."""
        found: dict[int, list[tuple[int, float, bool]]] = {}
        open_: list[tuple[int, list[tuple[int, float, bool]]]] = [(0, [])]
        while open_:
            node, path = open_.pop()
            if int(self.left[node]) == LEAF:
                found[node] = path
                continue
            column, threshold = int(self.columns[node]), float(self.thresholds[node])
            open_.append((int(self.right[node]), [*path, (column, threshold, True)]))
            open_.append((int(self.left[node]), [*path, (column, threshold, False)]))
        return found


def fit_tree(
    inputs: Float[Tensor, "row column"], classes: Int[Tensor, " row"], n_classes: int, columns: Int[Tensor, " kept"], depth: int, seed: int
) -> SurrogateTree:
    """A classification tree of some of the columns.

    Arguments:
        inputs: rows of training.
        classes: what the model says of each.
        n_classes: how many there are.
        columns: which columns it may ask about.
        depth: the most questions in a row.
        seed: of ties between equally good questions.
    """
    from sklearn.tree import DecisionTreeClassifier

    fitted = DecisionTreeClassifier(max_depth=depth, random_state=seed).fit(inputs[:, columns].numpy(), classes.numpy())
    tree: Any = fitted.tree_
    shares = torch.zeros(tree.node_count, n_classes)
    counts = torch.as_tensor(tree.value[:, 0]).float()
    shares[:, torch.as_tensor(fitted.classes_)] = counts / counts.sum(1, keepdim=True)
    asked = torch.as_tensor(tree.feature).long()
    return SurrogateTree(
        # scikit-learn marks a leaf by a column below zero
        columns=torch.where(asked >= 0, columns[asked.clamp(min=0)], asked),
        thresholds=torch.as_tensor(tree.threshold).float(),
        left=torch.as_tensor(tree.children_left).long(),
        right=torch.as_tensor(tree.children_right).long(),
        values=shares,
        weights=torch.as_tensor(tree.weighted_n_node_samples).float(),
    )
