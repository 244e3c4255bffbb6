"""Solids are named by their angles, under any rotation and order, and nothing is named that is none."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sonde.evidence import random_rotation
from sonde.superposition import dimensionality, dimensions_per_feature, interference, represented, solids, told


def polygon(k):
    turns = torch.arange(k) * (2 * math.pi / k)
    return torch.stack([turns.cos(), turns.sin()])


def antiprism():
    top, turned = polygon(4), torch.stack([(torch.arange(4) * math.pi / 2 + math.pi / 4).cos(), (torch.arange(4) * math.pi / 2 + math.pi / 4).sin()])
    flat = torch.cat([top, turned], dim=1) * math.sqrt(2 / 3)
    return torch.cat([flat, torch.tensor([1.0] * 4 + [-1.0] * 4)[None] / math.sqrt(3)])


def tetrahedron():
    return torch.tensor([[1.0, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]) / math.sqrt(3)


SOLIDS = {
    "dedicated": (torch.ones(1, 1), 1.0),
    "digon": (torch.tensor([[1.0, -1.0]]), 1 / 2),
    "triangle": (polygon(3), 2 / 3),
    "tetrahedron": (tetrahedron(), 3 / 4),
    "pentagon": (polygon(5), 2 / 5),
    "square antiprism": (antiprism(), 3 / 8),
}


@pytest.mark.parametrize("name", SOLIDS)
def test_each_solid_is_named_turned_and_reordered_and_has_its_dimensionality(name):
    W, share = SOLIDS[name]
    m, n = W.shape
    order = torch.randperm(n, generator=torch.Generator().manual_seed(3))
    turned = random_rotation(m + 1, seed=1)[:, :m] @ W[:, order]
    (found,) = solids(1.1 * turned)
    assert (found.name, found.dimensions, len(found.features)) == (name, m, n)
    assert found.dimensionality == pytest.approx(share, abs=1e-5)
    assert dimensionality(turned).tolist() == pytest.approx([share] * n, abs=1e-5)


def test_a_square_is_two_digons_and_a_product_is_told_by_its_parts():
    assert told(solids(polygon(4))) == "2 digon"
    both = torch.block_diag(polygon(3), torch.tensor([[1.0, -1.0]]), torch.eye(1))
    assert told(solids(both)) == "triangle + digon + dedicated"


def test_what_is_short_is_not_represented_and_nothing_is_nothing():
    W = torch.tensor([[1.0, 0.4, 0.0], [0.0, 0.0, 0.0]])
    assert represented(W).tolist() == [True, False, False]
    assert told(solids(W)) == "dedicated" and told(solids(torch.zeros(2, 3))) == "nothing"
    assert dimensionality(torch.zeros(2, 3)).tolist() == [0, 0, 0]


def test_a_hexagon_has_no_name_of_its_own():
    assert told(solids(polygon(6))) == "6 in 2"


def test_permuted_weights_make_no_solid():
    """The control: the entries of eight pentagons, shuffled."""
    generator = torch.Generator().manual_seed(0)
    turned = [random_rotation(2, seed) @ polygon(5) for seed in range(8)]
    broken = [W.flatten()[torch.randperm(10, generator=generator)].view(2, 5) for W in turned]
    assert all(told(solids(W)) == "pentagon" for W in turned)
    assert sum(told(solids(W)) == "pentagon" for W in broken) == 0


@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 10_000))
def test_shares_add_up_to_the_rank_at_most(m, n, seed):
    W = torch.randn(m, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    shares = dimensionality(W)
    assert float(shares.sum()) <= min(m, n) + 1e-9
    assert (shares > 0).all() and (shares <= 1 + 1e-12).all()
    assert torch.allclose(interference(W), W.T @ W)
    assert float(dimensions_per_feature(W)) == pytest.approx(m / float(W.square().sum()))
