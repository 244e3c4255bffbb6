"""A sentence whose tree is drawn: as a probe tells it, beside the treebank's."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor

from sonde.probing.structure.trees import Arc, gold_arcs, spanning_arcs, tree_depths, tree_distances
from sonde.results import Drawing
from sonde.results.drawing import Edge, Node, beside, circuit_pair, matrix

SLOPE = 0.3  # of a row from the first word to the last, so that words of one depth can be joined


@dataclass(frozen=True, eq=False)
class Shown:
    """One sentence, with what a probe says of it.

    Arguments:
        words: its forms.
        kept: which are no punctuation.
        heads: for each word the number of the one that it hangs on in the treebank; -1 for the root.
        said: the squared distances that the probe gives.
    """

    words: tuple[str, ...]
    kept: Bool[Tensor, " word"]
    heads: tuple[int, ...]
    said: Float[Tensor, "word word"]

    def tree(self, note: str) -> Drawing:
        """The words in the places of the treebank's tree, the root at the top, joined by the arcs of both trees.

        Arguments:
            note: stands under the drawing.
        """
        depths, words = tree_depths(self.heads).tolist(), self.kept.nonzero().flatten().tolist()
        deepest = max(depths[word] for word in words)
        heights = {word: deepest - depths[word] + SLOPE * column / len(words) for column, word in enumerate(words)}
        nodes = [Node(f"{word + 1} {self.words[word]}", self.words[word], heights[word], column) for column, word in enumerate(words)]
        names = dict(zip(words, (node.name for node in nodes), strict=True))

        def upwards(arcs: set[Arc]) -> list[Edge]:
            return [Edge(*(names[word] for word in sorted(arc, key=heights.__getitem__))) for arc in sorted(arcs)]

        found, true = upwards(spanning_arcs(self.said, self.kept)), upwards(gold_arcs(self.heads, self.kept))
        rows = [f"depth {deepest - row}" for row in range(deepest + 1)]
        return circuit_pair("Which words are joined?", "", nodes, ("found", found), ("treebank", true), rows=rows, note=note)

    def distances(self, note: str) -> Drawing:
        """How far apart the words are, for the probe and in the treebank's tree.

        Arguments:
            note: stands under the drawing.
        """
        axes: dict[str, Any] = {"row_name": "word", "rows": self.words, "col_name": "word", "cols": self.words, "scale": "sequential"}
        told = matrix("For the probe", "squared distance", self.said, zero="the same word", **axes)
        true = matrix("In the treebank", "arcs", tree_distances(self.heads).float(), zero="the same word", **axes)
        return beside("How far apart are words?", [("found", told), ("treebank", true)], note=note)
