"""Trees: distances against walks, spanning trees against all trees, and draws that are uniform."""

import itertools
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.probing.structure.probe import depths_of, distances_of
from sonde.probing.structure.trees import chain_arcs, gold_arcs, random_tree, spanning_arcs, tree_depths, tree_distances
from sonde.results import InputError


def all_of(n):
    return torch.ones(n, dtype=torch.bool)


def test_a_sentence_by_hand():
    heads = [1, 2, -1, 2, 5, 3]  # "the dog saw it in parks", "in" on "parks", "parks" on "it"
    distances = tree_distances(heads)
    assert distances[0].tolist() == [0, 1, 2, 3, 5, 4] and torch.equal(distances, distances.T)
    assert tree_depths(heads).tolist() == [2, 1, 0, 1, 3, 2]


@settings(max_examples=25, deadline=None)
@given(n=st.integers(2, 9), seed=st.integers(0, 999))
def test_distances_count_arcs_and_give_the_tree_back(n, seed):
    arcs = random_tree(n, torch.Generator().manual_seed(seed))
    heads, todo = [-1] * n, [0]
    while todo:
        a = todo.pop()
        for b in (y if x == a else x for x, y in arcs if a in (x, y)):
            if b != heads[a]:
                heads[b] = a
                todo.append(b)
    steps = torch.full((n, n), float("inf")).fill_diagonal_(0)
    for a, b in arcs:
        steps[a, b] = steps[b, a] = 1
    for k in range(n):
        steps = torch.minimum(steps, steps[:, [k]] + steps[[k]])
    assert torch.equal(tree_distances(heads).float(), steps)
    assert torch.equal(tree_depths(heads), tree_distances(heads)[0])
    assert spanning_arcs(steps, all_of(n)) == {tuple(sorted(arc)) for arc in arcs} == gold_arcs(heads, all_of(n))


def test_the_spanning_tree_is_the_shortest_of_all():
    between = torch.rand(5, 5, generator=torch.Generator().manual_seed(0))
    between = between + between.T
    weight = lambda arcs: sum(float(between[a, b]) for a, b in arcs)
    every = itertools.combinations(itertools.combinations(range(5), 2), 4)
    trees = [arcs for arcs in every if joined(arcs, 5)]
    assert len(trees) == 5**3
    assert weight(spanning_arcs(between, all_of(5))) == pytest.approx(min(map(weight, trees)))


def joined(arcs, n):
    """Whether arcs join all nodes."""
    reached = {0}
    for _ in range(n):
        reached |= {b for arc in arcs for b in arc if set(arc) & reached}
    return len(reached) == n


def test_random_trees_are_uniform():
    draw = torch.Generator().manual_seed(0)
    counts = Counter(frozenset(tuple(sorted(arc)) for arc in random_tree(4, draw)) for _ in range(3200))
    assert len(counts) == 16 and all(140 < count < 260 for count in counts.values())


def test_words_that_are_left_out_take_no_part():
    kept = torch.tensor([True, False, True, True])
    assert chain_arcs(kept) == {(0, 2), (2, 3)} and gold_arcs([1, -1, 1, 2], kept) == {(2, 3)}
    assert spanning_arcs(torch.rand(4, 4), torch.tensor([True, False, False, False])) == set()


def test_squared_distances_are_symmetric_and_zero_on_the_diagonal():
    z = 100 * torch.randn(3, 7, 5, generator=torch.Generator().manual_seed(1))
    found = distances_of(z)
    assert torch.allclose(found, found.mT) and not found.diagonal(dim1=-2, dim2=-1).any() and (found >= 0).all()
    assert torch.allclose(found, (z[:, :, None] - z[:, None]).square().sum(-1), rtol=1e-3, atol=0.1)
    assert torch.allclose(depths_of(z), distances_of(torch.cat([torch.zeros(3, 1, 5), z], 1))[:, 0, 1:], rtol=1e-3, atol=0.1)
    # they are no metric: three points in a line break the triangle inequality
    line = distances_of(torch.tensor([[0.0], [1.0], [2.0]]))
    assert line[0, 2] > line[0, 1] + line[1, 2]


@pytest.mark.parametrize("heads", [[-1, -1], [1, 0], [1, 2, 0, -1], [5, -1], [0]])
def test_what_is_no_tree_is_refused(heads):
    with pytest.raises(InputError, match="no tree"):
        tree_depths(heads)
