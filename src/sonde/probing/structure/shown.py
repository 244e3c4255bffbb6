"""A sentence whose tree is drawn: as a probe tells it, beside the treebank's."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.probing.structure.trees import Arc, gold_arcs, tree_depths
from sonde.results import Drawing
from sonde.results.drawing import Edge, Node, beside, circuit_graph, matrix

UNIT = "1: an arc of the treebank"


@dataclass(frozen=True, eq=False)
class Shown:
    """One sentence, with both of its trees.

    Arguments:
        words: its forms.
        kept: which are no punctuation.
        gold_heads, said_heads: for each word the number of the one that it hangs on, -1 for the root; of the told tree, which has the kept words
            only, the others hang on its root.
        gold: how many arcs lie between any two words.
        said: the squared distances that the probe gives.
    """

    words: tuple[str, ...]
    kept: Bool[Tensor, " word"]
    gold_heads: tuple[int, ...]
    said_heads: tuple[int, ...]
    gold: Int[Tensor, "word word"]
    said: Float[Tensor, "word word"]

    def trees(self, note: str) -> Drawing:
        """Both trees, the root at the top.

        Arguments:
            note: stands under the drawing.
        """
        true = gold_arcs(self.gold_heads, self.kept)
        found, gold = self._tree("Found", self.said_heads, true), self._tree("In the treebank", self.gold_heads, true)
        return beside("Which words are joined?", [("found", found), ("treebank", gold)], note=note)

    def _tree(self, title: str, heads: Sequence[int], true: set[Arc]) -> Drawing:
        depths, words = tree_depths(heads).tolist(), self.kept.nonzero().flatten().tolist()
        deepest = max(depths[word] for word in words)
        name = {word: f"{word + 1} {self.words[word]}" for word in words}
        nodes = [Node(name[word], self.words[word], deepest - depths[word], column) for column, word in enumerate(words)]
        arcs = [(word, heads[word]) for word in words if heads[word] in name]
        edges = [Edge(name[word], name[head], 1.0 if (min(word, head), max(word, head)) in true else -1.0) for word, head in arcs]
        return circuit_graph(title, UNIT, nodes, edges, rows=[*range(deepest, -1, -1)], shown=max(1, len(edges)) if edges else None, zero="no arc")

    def distances(self, note: str) -> Drawing:
        """How far apart the words are.

        Arguments:
            note: stands under the drawing.
        """
        axes: dict[str, Any] = {"row_name": "word", "rows": self.words, "col_name": "word", "cols": self.words, "scale": "sequential"}
        told = matrix("For the probe", "squared distance", self.said, zero="the same word", **axes)
        true = matrix("In the treebank", "arcs", self.gold.float(), zero="the same word", **axes)
        return beside("How far apart are words?", [("found", told), ("treebank", true)], note=note)


def hanging(arcs: set[Arc], root: int, n: int) -> tuple[int, ...]:
    """The heads of a tree that is seen from one of its words; words outside it hang on that one.

    Arguments:
        arcs: of the tree.
        root: the word.
        n: how many words there are.

    >>> hanging({(0, 1), (1, 2)}, root=1, n=4)
    (1, -1, 1, 1)
    """
    heads = [root] * n
    heads[root] = -1
    todo, seen = [root], {root}
    while todo:
        word = todo.pop()
        for other in (b if a == word else a for a, b in arcs if word in (a, b)):
            if other not in seen:
                heads[other] = word
                seen.add(other)
                todo.append(other)
    return tuple(heads)
