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
from sonde.specimens.digits import held_out
from sonde.tasks import Logit

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


def table():
    """Three attributions of one row of five columns, made up."""
    model = sonde.Model(torch.nn.Sequential(torch.nn.Linear(5, 2)))
    base = gradient_x_input(model, torch.randn(2, 5), of=Logit([0]))
    rows = {"a": [5.0, -4.0, 3.0, 2.0, 1.0], "b": [-5.0, -4.0, 3.0, 2.0, 1.0], "c": [1.0, 2.0, 3.0, -4.0, 5.0]}
    return [replace(base, values=torch.tensor([row, row]), method=name) for name, row in rows.items()]


def test_the_measures_of_krishna_by_hand():
    """A fifth of five places is one: the largest size is the first column in a and b, with other signs, and the last one in c."""
    found = agreement(table())
    assert found.what == "places" and found.k == [1, 1]
    assert found.to_frame().select("feature", "rank", "sign", "signed_rank").rows() == [(1, 1, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0)]
    for measure, cell in (("feature", 1.0), ("sign", 0.0)):
        drawing = found.matrix(measure)
        assert drawing.kind == "matrix" and drawing.data["values"][0][1] == cell == drawing.data["values"][1][0]
    assert "Random orders: " in found.matrix().note and "Special" not in found.drawing().note


def test_pictures_are_compared_pixel_by_pixel():
    pictures, digits = held_out()
    model, metric = sonde.load("specimen:digits"), Logit(digits[:3])
    one = gradient_x_input(model, pictures[:3], of=metric)
    found = agreement([one, replace(one, values=-one.values, method="opposite")])
    assert torch.allclose(found.spearman, -torch.ones(1, 3)) and found.k == [13] * 3
    assert found.to_frame()["feature"].item() == 1 and found.to_frame()["sign"].item() < 0.5


def test_many_places_have_a_normal_band():
    from sonde.attribution.agreement import _chance

    low, high = _chance([400] * 4, seed=0)
    assert high == pytest.approx(1.96 / (399 * 4) ** 0.5, rel=0.1) and low == pytest.approx(-high, rel=0.2)
    few, many = _chance([99], seed=0)[1], _chance([100], seed=0)[1]
    assert few == pytest.approx(many, rel=0.1)


def test_names_and_measures_are_told_apart(unchecked):
    one, two, _ = table()
    assert agreement([one, replace(two, method="a")]).pairs == [("a", "a (2)")]
    with pytest.raises(InputError, match="measure='kappa'"):
        agreement([one, two]).matrix("kappa")


def test_other_pictures_are_other_examples():
    pictures, digits = held_out()
    model, metric = sonde.load("specimen:digits"), Logit(digits[:2])
    with pytest.raises(InputError, match="different examples"):
        agreement([gradient_x_input(model, pictures[:2], of=metric), gradient_x_input(model, pictures[2:4], of=metric)])
