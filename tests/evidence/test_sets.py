"""Random sets are uniform, and as alike the found one as they promise."""

from collections import Counter

import pytest
import scipy.stats

from sonde.evidence import matched_sets, random_sets
from sonde.results import InputError

HEADS = [f"{layer}.{head}" for layer in range(3) for head in range(4)]


def layer(head):
    return head.split(".")[0]


def test_random_sets_are_uniform():
    sets = random_sets("abcde", size=2, n=4000, seed=0)
    counts = Counter(sets)
    assert len(counts) == 10 and all(len(set(s)) == 2 for s in sets)
    assert scipy.stats.chisquare(list(counts.values())).pvalue > 0.001


def test_random_sets_are_seeded():
    assert random_sets(range(50), 5, 3, seed=1) == random_sets(range(50), 5, 3, seed=1) != random_sets(range(50), 5, 3, seed=2)


def test_weights_decide_who_is_drawn():
    counts = Counter(member for chosen in random_sets("abc", 1, 6000, seed=0, weights=[0, 1, 3]) for member in chosen)
    assert counts["a"] == 0
    assert counts["c"] / 6000 == pytest.approx(0.75, abs=0.03)


def test_the_edges_of_size():
    assert random_sets("ab", 0, 2, seed=0) == [(), ()]
    assert random_sets("ab", 2, 1, seed=0) == [("a", "b")]
    with pytest.raises(InputError, match="no set of 2 can be drawn from 1 candidates"):
        random_sets("ab", 2, 1, seed=0, weights=[0, 1])
    with pytest.raises(InputError, match="1 weights for 2 candidates"):
        random_sets("ab", 1, 1, seed=0, weights=[1])


def test_matched_sets_have_as_many_in_each_layer():
    found = ["0.1", "0.3", "2.0"]
    sets = matched_sets(found, HEADS, layer, n=4000, seed=0)
    assert all(Counter(map(layer, one)) == Counter(map(layer, found)) for one in sets)
    counts = Counter(sets)
    assert len(counts) == 6 * 4  # two of four, and one of four: the two kinds are drawn independently
    assert scipy.stats.chisquare(list(counts.values())).pvalue > 0.001
    # the control that must fail: sets matched in size alone lie in other layers
    assert any(Counter(map(layer, one)) != Counter(map(layer, found)) for one in random_sets(HEADS, 3, 20, seed=0))


def test_the_edges_of_matching():
    assert matched_sets([], HEADS, layer, n=2, seed=0) == [(), ()]
    assert matched_sets(["0.0"], HEADS, layer, 3, seed=1) == matched_sets(["0.0"], HEADS, layer, 3, seed=1)
    with pytest.raises(InputError, match="no set of 1 can be drawn from 0 candidates"):
        matched_sets(["7.0"], HEADS, layer, n=1, seed=0)
