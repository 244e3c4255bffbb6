"""Random directions and bases are uniform, and those that are matched are matched exactly."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.evidence import matched_directions, matched_subspaces, random_directions, random_rotation
from sonde.results import InputError


def test_rotations_are_uniform():
    """The image of a fixed vector is uniform on the sphere: mean 0, each coordinate of variance 1 / d."""
    images = torch.stack([random_rotation(4, seed)[:, 0] for seed in range(1500)])
    uniform(images)


def test_directions_are_uniform():
    uniform(random_directions(4, 1500, seed=0))


def uniform(images):
    assert torch.allclose(images.norm(dim=1), torch.ones(1500), atol=1e-5)
    assert images.mean(0).abs().max() < 4 * 0.5 / 1500**0.5
    assert torch.allclose(images.T @ images / 1500, torch.eye(4) / 4, atol=0.04)


@given(st.integers(0, 2**31), st.integers(2, 24), st.floats(0, 3))
@settings(max_examples=30, deadline=None)
def test_matched_in_length_and_variance(seed, d, spread):
    generator = torch.Generator().manual_seed(seed)
    states = torch.randn(3 * d, d, generator=generator, dtype=torch.float64) * torch.linspace(0, spread, d).exp() @ random_rotation(d, seed).double()
    found = torch.randn(d, generator=generator, dtype=torch.float64)
    drawn = matched_directions(found, states, n=5, seed=seed).double()
    assert torch.allclose(drawn.norm(dim=1), found.norm().expand(5), rtol=1e-5)
    assert torch.allclose((states @ drawn.T).var(0), (states @ found).var().expand(5), rtol=1e-3)


def test_a_uniform_direction_is_a_weak_control():
    """The control that must fail: where one of 64 directions holds most of the variance, a uniform one removes a hundredth of it."""
    states = torch.randn(500, 64, generator=torch.Generator().manual_seed(0))
    states[:, 0] *= 30
    found = torch.eye(64)[0] + 0.1 * torch.ones(64)
    uniform = random_directions(64, 50, seed=0) * found.norm()
    assert (states @ uniform.T).var(0).mean() < 0.05 * (states @ found).var()
    matched = matched_directions(found, states, 50, seed=0)
    assert torch.allclose((states @ matched.T).var(0), (states @ found).var().expand(50), rtol=1e-4)
    # matched, and yet free: two of them share little but the part that the variance asks for
    away = matched.clone()
    away[:, 0] = 0
    cosines = torch.nn.functional.normalize(away, dim=1) @ torch.nn.functional.normalize(away, dim=1).T
    assert cosines.fill_diagonal_(0).abs().mean() < 0.2


def test_directions_are_seeded():
    states = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(matched_directions(states[0], states, 2, seed=1), matched_directions(states[0], states, 2, seed=1))
    assert torch.equal(random_directions(4, 2, seed=1), random_directions(4, 2, seed=1))
    assert not torch.equal(random_directions(4, 2, seed=1), random_directions(4, 2, seed=2))


def test_states_that_do_not_vary_are_refused():
    still = torch.ones(9, 3)
    with pytest.raises(InputError, match="do not vary along the direction"):
        matched_directions(torch.ones(3), still, 2, seed=0)
    flat = torch.randn(9, 3) * torch.tensor([1.0, 1.0, 0.0])
    with pytest.raises(InputError, match="do not vary along the direction"):
        matched_directions(torch.tensor([0.0, 0.0, 1.0]), flat, 2, seed=0)
    with pytest.raises(InputError, match="do not vary along the direction"):
        matched_directions(torch.zeros(3), flat, 2, seed=0)


@given(st.integers(0, 2**31), st.integers(1, 5), st.floats(0, 4), st.floats(0.02, 0.98))
@settings(max_examples=30, deadline=None)
def test_subspaces_remove_the_variance_that_is_asked_for(seed, rank, spread, share):
    """Any amount between what the least and the greatest eigenvectors hold, also close to either end."""
    rotation = random_rotation(12, seed).double()
    values = torch.linspace(0, spread, 12, dtype=torch.float64).exp()
    covariance = rotation @ torch.diag(values) @ rotation.T
    least, most = float(values[:rank].sum()), float(values[-rank:].sum())
    wanted = least + share * (most - least)
    drawn = matched_subspaces(wanted, rank, covariance, n=4, seed=seed)
    assert torch.allclose(drawn.mT @ drawn, torch.eye(rank, dtype=torch.float64).expand(4, -1, -1), atol=1e-10)
    removed = (drawn.mT @ covariance @ drawn).diagonal(dim1=1, dim2=2).sum(1)
    assert torch.allclose(removed, torch.full((4,), wanted, dtype=torch.float64), rtol=1e-6)


def test_a_subspace_that_nothing_can_match_is_the_nearest():
    covariance = torch.diag(torch.tensor([1.0, 2.0, 4.0, 8.0]))
    for asked, nearest in ((100.0, 12.0), (0.1, 3.0)):
        drawn = matched_subspaces(asked, 2, covariance, n=3, seed=0)
        assert torch.allclose((drawn.mT @ covariance.double() @ drawn).diagonal(dim1=1, dim2=2).sum(1), torch.full((3,), nearest).double(), rtol=1e-6)
    with pytest.raises(InputError, match="vary along 1 directions, and 2 are to be removed"):
        matched_subspaces(1.0, 2, torch.diag(torch.tensor([1.0, 0.0, 0.0])), n=3, seed=0)
