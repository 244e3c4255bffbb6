"""Networks without what they learnt: the same shapes, ties and buffers, and other weights."""

import pytest
import torch
from small_models import llama, words
from torch import nn

from sonde.nn import permuted, reinitialised
from sonde.results import InputError


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


def test_a_torch_network_is_drawn_afresh():
    model = Tied().double().eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fresh = reinitialised(model, seed=0)
    assert fresh.unembed.weight is fresh.embed.weight and fresh.embed.weight.dtype == torch.float64 and not fresh.training
    assert not torch.equal(fresh.embed.weight, model.embed.weight)
    assert not fresh.norm.running_mean.any()  # before its training the network had seen no batch
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("load", [words, llama])
def test_a_language_model_is_drawn_by_its_own_rule(load):
    """What training moves is at its start again: matrices have the deviation of the family's rule (0.02), norms are one."""
    trained = load().module
    fresh = reinitialised(trained, seed=7)  # not the seed that the tiny model was drawn with
    assert {name: p.shape for name, p in fresh.named_parameters()} == {name: p.shape for name, p in trained.named_parameters()}
    for name, parameter in fresh.named_parameters():
        if parameter.ndim == 1:
            assert (parameter == (0 if name.endswith("bias") else 1)).all()
        else:
            assert not torch.equal(parameter, trained.get_parameter(name))
            assert 0.005 < parameter.std() < 0.022
    ids = torch.tensor([[1, 2, 3]])
    with torch.no_grad():
        assert torch.isfinite(fresh(ids) if load is words else fresh(ids).logits).all()


@pytest.mark.parametrize("broken", [permuted, reinitialised])
def test_seeds_decide_and_nothing_else_is_drawn(broken):
    model = Tied()
    state = torch.get_rng_state()
    assert torch.equal(broken(model, 1).embed.weight, broken(model, 1).embed.weight)
    assert not torch.equal(broken(model, 1).embed.weight, broken(model, 2).embed.weight)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_parameter_without_a_rule_is_refused():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(3))

    with pytest.raises(InputError, match=r"1 \(Own\) does not say how its scale is drawn"):
        reinitialised(nn.Sequential(nn.Linear(2, 3), Own()), seed=0)
