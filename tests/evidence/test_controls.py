"""Controls keep what they promise to keep, and nothing else."""

from collections import Counter

import pytest
import scipy.stats
import torch
from torch import nn

from sonde.evidence import permuted, random_rotation, random_sets
from sonde.results import InputError


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


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 6)
        self.norm = nn.BatchNorm1d(6)
        self.unembed = nn.Linear(6, 11, bias=False)
        self.unembed.weight = self.embed.weight
        self.norm.running_mean = torch.arange(6.0)


def test_permuted_keeps_entries_ties_and_buffers():
    model = Tied()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    copy = permuted(model, seed=0)
    assert copy.unembed.weight is copy.embed.weight
    assert torch.equal(copy.norm.running_mean, model.norm.running_mean)
    for name, parameter in copy.named_parameters():
        original = model.get_parameter(name)
        assert parameter.shape == original.shape and parameter.requires_grad
        assert torch.equal(parameter.flatten().sort().values, original.flatten().sort().values)
    assert not torch.equal(copy.embed.weight, model.embed.weight)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_permuted_is_seeded():
    model = Tied()
    assert torch.equal(permuted(model, 1).embed.weight, permuted(model, 1).embed.weight)
    assert not torch.equal(permuted(model, 1).embed.weight, permuted(model, 2).embed.weight)


def test_rotations_are_uniform():
    """The image of a fixed vector is uniform on the sphere: mean 0, each coordinate of variance 1 / d."""
    images = torch.stack([random_rotation(4, seed)[:, 0] for seed in range(1500)])
    assert torch.allclose(images.norm(dim=1), torch.ones(1500), atol=1e-5)
    assert images.mean(0).abs().max() < 4 * 0.5 / 1500**0.5
    assert torch.allclose(images.T @ images / 1500, torch.eye(4) / 4, atol=0.04)
