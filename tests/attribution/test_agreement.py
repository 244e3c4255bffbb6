"""Orders compared, against SciPy; agreement beside chance."""

import functools
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from small_models import words

import sonde
from sonde import attribution
from sonde.attribution import agreement, gradient_x_input
from sonde.attribution.ranks import overlap
from sonde.evidence import ranks, spearman
from sonde.results import InputError

# with the padding token for absent ones, unless a test says otherwise
integrated_gradients = partial(attribution.integrated_gradients, baseline="pad")
occlusion = partial(attribution.occlusion, baseline="pad")


NUMBERS = st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=2, max_size=12)


@given(NUMBERS)
def test_ranks_and_correlation_are_scipys(pairs):
    a, b = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    assert np.allclose(ranks(torch.tensor(a)).numpy() + 1, stats.rankdata(a))
    mine = spearman(torch.tensor(a), torch.tensor(b)).item()
    if len(set(a)) > 1 and len(set(b)) > 1:
        assert mine == pytest.approx(stats.spearmanr(a, b).statistic, abs=1e-9)
    else:
        assert np.isnan(mine)


def test_overlap():
    a = torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0])
    assert overlap(a, a, 2) == 1 and overlap(a, -a, 2) == 0 and overlap(a, a.flip(0), 3) == pytest.approx(1 / 3)


@functools.cache
def three():
    task = sonde.tasks.load("ioi", words(), n=6)
    return [method(words(), task) for method in (gradient_x_input, integrated_gradients, occlusion)]


def test_a_method_agrees_with_itself_and_disagrees_with_its_opposite():
    one = three()[0]
    opposite = replace(one, values=-one.values, method="opposite")
    same, other = agreement([one, replace(one, method="again")]), agreement([one, opposite])
    assert torch.allclose(same.spearman, torch.ones(1, 6)) and bool((same.overlap == 1).all())
    assert torch.allclose(other.spearman, -torch.ones(1, 6))


def test_random_orders_stay_within_the_band_of_chance():
    one = three()[0]
    generator = torch.Generator().manual_seed(0)
    inside = []
    for _ in range(60):
        shuffled = replace(one, values=torch.rand(one.values.shape, generator=generator), method="random")
        found = agreement([one, shuffled])
        inside.append(found.chance[0] <= found.spearman.mean() <= found.chance[1])
    assert 0.85 <= sum(inside) / len(inside) <= 1
    assert found.chance_overlap == pytest.approx(sum(k / (len(row) - 1) for k, row in zip(found.k, one.tokens, strict=True)) / 6)


def test_methods_agree_on_the_specimen_beyond_chance_and_it_is_drawn():
    found = agreement(three())
    names = [set(pair) for pair in found.pairs]
    assert names == [{"gradient x input", "integrated gradients"}, {"gradient x input", "occlusion"}, {"integrated gradients", "occlusion"}]
    gradients, _, fair = found.spearman.mean(-1).tolist()  # a single gradient, taken where the answer is all but certain, says little of an occlusion
    assert min(gradients, fair) > found.chance[1]
    drawing = found.drawing()
    assert drawing.kind == "bars" and drawing.control["interval"] == list(found.chance) and found.to_frame().height == 3


def test_special_tokens_are_left_out():
    one = three()[0]
    loud = one.values.clone()
    loud[:, 0] = 1e6
    assert torch.allclose(agreement([one, replace(one, values=loud)]).spearman, torch.ones(1, 6))


def test_refusals():
    one = three()[0]
    other = gradient_x_input(words(), sonde.tasks.load("agreement", words(), n=6))
    with pytest.raises(InputError, match="at least two"):
        agreement([one])
    with pytest.raises(InputError, match="different examples"):
        agreement([one, other])
