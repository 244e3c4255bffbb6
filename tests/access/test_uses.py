"""What enters modules and what comes back to them: complete, in order, and gone afterwards."""

import pytest
import torch
from torch import nn

from sonde.access.uses import watching
from sonde.results import InputError, SiteUnavailable


class Branches(nn.Module):
    """Two maps of the same input, the second of which is called again, and once in vain."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x):
        self.second(x)
        return self.first(x) * self.second(self.second(x))


def test_every_call_is_handed_on_with_its_gradient():
    torch.manual_seed(0)
    network, x, got = Branches(), torch.randn(2, 3), {}
    network.first.weight.requires_grad_(False)  # frozen by the user: looked at all the same, and left frozen
    groups = {"first": ["first"], "second": ["second"]}
    with watching(network, groups, lambda name, uses: got.setdefault(name, []).append([(u.entered, u.delta, u.source) for u in uses])) as watch:
        value = network(x).sum()
        watch.back(value, again=True)
        watch.back(value, 2 * torch.ones(()))
    (once, twice), (before, after) = got["second"], got["first"]
    assert [source for *_, source in once] == [0, 0, 1] and before[0][2] == 0
    assert not once[0][1].any() and once[1][1].any()
    torch.testing.assert_close(2 * once[1][1], twice[1][1])
    network(x).sum().backward()
    torch.testing.assert_close(sum(delta.T @ entered for entered, delta, _ in once), network.second.weight.grad)
    assert network.first.weight.grad is None and not any(m._forward_hooks for m in network.modules())
    torch.testing.assert_close(after[0][1], 2 * before[0][1])


def test_hooks_are_gone_after_an_error():
    network = Branches()
    with pytest.raises(ZeroDivisionError), watching(network, {"first": ["first"]}, lambda name, uses: None):
        raise ZeroDivisionError
    assert not any(m._forward_hooks for m in network.modules()) and all(p.requires_grad for p in network.parameters())


def test_what_no_gradient_comes_back_to_is_refused():
    network = Branches()
    with watching(network, {"first": ["first"]}, lambda name, uses: None) as watch:
        with pytest.raises(InputError, match="depends on none"):
            watch.back(network(torch.randn(2, 3)).detach().sum())
        with pytest.raises(SiteUnavailable, match="no_grad"), torch.no_grad():
            network(torch.randn(2, 3))
