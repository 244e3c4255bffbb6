"""Shuffled labels keep their counts and lose their examples; control tasks keep their types."""

import itertools
from collections import Counter

import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from sonde.evidence import control_task, shuffled
from sonde.results import InputError


@given(st.integers(3, 40), st.integers(0, 1000))
def test_no_label_stays(n, seed):
    order = shuffled(torch.arange(n), seed)
    assert not (order == torch.arange(n)).any()
    assert order.sort().values.tolist() == list(range(n))
    assert torch.equal(order, shuffled(torch.arange(n), seed))


def test_all_such_orders_are_as_likely():
    """Of 4 labels there are 9 orders that leave none in place."""
    truth = [order for order in itertools.permutations(range(4)) if all(i != label for i, label in enumerate(order))]
    counts = Counter(tuple(shuffled(torch.arange(4), seed).tolist()) for seed in range(1800))
    assert sorted(counts) == truth and len(truth) == 9
    assert scipy.stats.chisquare(list(counts.values())).pvalue > 0.001


def test_nothing_is_left_to_learn():
    """Of two balanced labels half stay right by chance; exchanged by value they would all be wrong, and as easy to learn as before."""
    labels = torch.arange(400) % 2
    kept = torch.stack([(shuffled(labels, seed) == labels).double().mean() for seed in range(50)])
    assert kept.mean() == pytest.approx(0.5, abs=0.02)


def test_a_control_task_is_a_function_of_the_type():
    words = [word for word in "the key on the cabinet is on the key" for _ in range(20)]
    labels = (torch.rand(len(words), generator=torch.Generator().manual_seed(0)) < 0.3).long()
    control = control_task(words, labels, seed=3)
    given_to = {word: {label for other, label in zip(words, control.tolist(), strict=True) if other == word} for word in words}
    assert all(len(one) == 1 for one in given_to.values()) and set(control.tolist()) <= {0, 1}
    many = control_task(range(4000), labels[torch.arange(4000) % len(labels)], seed=0)
    assert many.double().mean() == pytest.approx(labels.double().mean().item(), abs=0.03)


def test_refusals():
    with pytest.raises(InputError, match="2 labels can't be shuffled"):
        shuffled(torch.arange(2), seed=0)
    with pytest.raises(InputError, match="1 types for 2 labels"):
        control_task(["a"], torch.arange(2), seed=0)
