"""Trees over the words of a sentence: distances, depths, the tree that distances imply, and trees that know nothing of the sentence."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.results import InputError, shown

Arc = tuple[int, int]


def tree_distances(heads: Sequence[int]) -> Int[Tensor, "word word"]:
    """How many arcs lie between any two words.

    Arguments:
        heads: for each word the number of the one that it hangs on; -1 for the root.

    Raises:
        InputError: no root or several, a head that is no word, a circle.

    >>> tree_distances([1, -1, 1])
    tensor([[0, 1, 2],
            [1, 0, 1],
            [2, 1, 0]])
    """
    above = [_path(heads, word) for word in range(len(heads))]
    found = torch.zeros(len(heads), len(heads), dtype=torch.long)
    for i, mine in enumerate(above):
        for j in range(i):
            theirs = above[j]
            shared = sum(a == b for a, b in zip(mine, theirs, strict=False))  # both begin at the root
            found[i, j] = found[j, i] = len(mine) + len(theirs) - 2 * shared
    return found


def tree_depths(heads: Sequence[int]) -> Int[Tensor, " word"]:
    """How many arcs lie between each word and the root.

    Arguments:
        heads: as for `tree_distances`.

    >>> tree_depths([1, -1, 1])
    tensor([1, 0, 1])
    """
    return torch.tensor([len(_path(heads, word)) - 1 for word in range(len(heads))])


def _path(heads: Sequence[int], word: int) -> list[int]:
    """The words from the root to a word."""
    if list(heads).count(-1) != 1 or not all(-1 <= head < len(heads) for head in heads):
        raise InputError(f"the heads {shown(list(heads), 60)} make no tree: one word is the root (-1), and every other one hangs on a word")
    path = [word]
    while heads[path[-1]] >= 0:
        path.append(heads[path[-1]])
        if len(path) > len(heads):
            raise InputError(f"the heads {shown(list(heads), 60)} make no tree: word {word} hangs on itself, along a circle")
    return path[::-1]


def gold_arcs(heads: Sequence[int], kept: Bool[Tensor, " word"]) -> set[Arc]:
    """The arcs between words that are kept, without their direction.

    Arguments:
        heads: as for `tree_distances`.
        kept: which words take part; punctuation does not.
    """
    return {_arc(word, head) for word, head in enumerate(heads) if head >= 0 and bool(kept[word]) and bool(kept[head])}


def spanning_arcs(distances: Float[Tensor, "word word"], kept: Bool[Tensor, " word"]) -> set[Arc]:
    """The minimum spanning tree of words under distances (Prim 1957).

    Arguments:
        distances: between any two words.
        kept: which words take part.

    >>> sorted(spanning_arcs(torch.tensor([[0.0, 1, 4], [1, 0, 2], [4, 2, 0]]), torch.tensor([True] * 3)))
    [(0, 1), (1, 2)]
    """
    words = kept.nonzero().flatten()
    if len(words) < 2:
        return set()
    between = distances[words][:, words]
    nearest, by = between[0].clone(), torch.zeros(len(words), dtype=torch.long)
    outside = torch.ones(len(words), dtype=torch.bool)
    outside[0] = False
    arcs = set()
    for _ in range(len(words) - 1):
        new = int(nearest.masked_fill(~outside, torch.inf).argmin())
        arcs.add(_arc(int(words[new]), int(words[by[new]])))
        outside[new] = False
        closer = between[new] < nearest
        nearest, by = torch.where(closer, between[new], nearest), torch.where(closer, new, by)
    return arcs


def chain_arcs(kept: Bool[Tensor, " word"]) -> set[Arc]:
    """Every word and the next one: a strong guess in many languages.

    Arguments:
        kept: which words take part.
    """
    words = kept.nonzero().flatten().tolist()
    return {_arc(a, b) for a, b in pairwise(words)}


def random_arcs(kept: Bool[Tensor, " word"], draw: torch.Generator) -> set[Arc]:
    """A tree drawn uniformly among all, from its Prüfer sequence.

    Arguments:
        kept: which words take part.
        draw: of the sequence.
    """
    words = kept.nonzero().flatten().tolist()
    return {_arc(words[a], words[b]) for a, b in random_tree(len(words), draw)}


def random_tree(n: int, draw: torch.Generator) -> list[Arc]:
    """The arcs of a tree over so many nodes, drawn uniformly among all, from its Prüfer sequence.

    Arguments:
        n: nodes.
        draw: of the sequence.
    """
    if n < 2:
        return []
    sequence = torch.randint(n, (n - 2,), generator=draw).tolist()
    degree = [1 + sequence.count(node) for node in range(n)]
    arcs = []
    for node in sequence:
        leaf = degree.index(1)
        arcs.append((leaf, node))
        degree[leaf], degree[node] = 0, degree[node] - 1
    a, b = (node for node in range(n) if degree[node] == 1)
    return [*arcs, (a, b)]


def _arc(a: int, b: int) -> Arc:
    return (a, b) if a < b else (b, a)
