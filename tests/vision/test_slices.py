"""A layer's slices are what it computes: convolving with them gives what the layer and its batch norm give, whatever groups, dilation and order."""

import pytest
import torch
from torch import nn

import sonde
from sonde.results import InputError, SiteUnavailable, UnknownSite
from sonde.vision import slices
from sonde.vision.slices import layer_weights


class Normed(nn.Module):
    """A dilated convolution in groups with its norm, then one whose output goes on past its norm, too, and one with a norm after the rectifier."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Conv2d(4, 8, 3, groups=2, dilation=2, bias=False), nn.BatchNorm2d(8)
        self.second, self.beside = nn.Conv2d(8, 4, (1, 3), stride=(2, 1)), nn.BatchNorm2d(4)
        self.third, self.late, self.scores = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4), nn.Linear(4, 3)
        self.unused, self.bound = nn.Conv2d(4, 4, 1), nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 1))
        for norm in (self.norm, self.beside, self.late):
            for value in (norm.weight, norm.bias, norm.running_mean):
                nn.init.normal_(value)
            nn.init.uniform_(norm.running_var, 0.5, 2)

    def forward(self, x):
        x = self.second(self.norm(self.first(x)).relu_())
        x = self.late(self.third(self.beside(x) + x).relu_())
        return self.scores(self.bound(x).mean((2, 3)))


def model(seed=0):
    torch.manual_seed(seed)
    return sonde.load(Normed().eval().double())


@torch.no_grad()
def test_convolving_with_the_slices_gives_what_layer_and_norm_give():
    net = model()
    pictures = torch.randn(2, 4, 14, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = layer_weights(net, "first")
    assert found.folded == "norm" and found.weight.shape == (8, 4, 5, 5) and found.notes == ("norm was folded into the weights",)
    given = torch.conv2d(pictures, found.weight, found.bias)
    assert torch.allclose(given, net.module.norm(net.module.first(pictures)), rtol=0, atol=1e-12)
    assert not torch.allclose(given, net.module.first(pictures), rtol=0, atol=1e-3)  # the norm matters here
    assert bool((found.weight[:4, 2:] == 0).all() and (found.weight[..., 1::2, :] == 0).all() and (found.weight[:4, :2, ::2, ::2] != 0).all())
    assert torch.equal(slices(net, "first:out"), found.weight)


@torch.no_grad()
def test_a_network_with_its_norms_folded_answers_alike():
    net, folded = model(), model()
    found = layer_weights(net, "first")
    folded.module.first = nn.Conv2d(4, 8, 5)
    folded.module.first.weight, folded.module.first.bias, folded.module.norm = nn.Parameter(found.weight), nn.Parameter(found.bias), nn.Identity()
    pictures = torch.randn(3, 4, 14, 12, dtype=torch.float64)
    assert torch.allclose(net.run(pictures).logits, folded.run(pictures).logits, rtol=0, atol=1e-10)


def test_a_norm_is_folded_only_where_it_alone_reads_the_layer():
    net = model()
    beside, late = layer_weights(net, "second"), layer_weights(net, "third")
    assert beside.folded == "" and "beside follows and was not folded in: what second returns is read by add, too" in beside.notes[0]
    assert late.folded == "" and "read by relu_" in late.notes[0] and torch.equal(late.weight, net.module.third.weight)
    assert beside.stride == (2, 1) and layer_weights(net, "scores").weight.shape == (3, 4, 1, 1) and layer_weights(net, "scores").notes == ()


def test_what_has_no_slices_is_refused_in_one_line():
    net = model()
    for layer, error, words in (
        ("norm", InputError, "'norm' is a BatchNorm2d"),
        ("nowhere", UnknownSite, "nowhere"),
        ("first:in", InputError, "no module"),
        ("unused", SiteUnavailable, "never calls it"),
        ("bound", SiteUnavailable, "makes its weights anew"),
    ):
        with pytest.raises(error, match=words) as refused:
            slices(net, layer)
        assert "\n" not in str(refused.value)
    with pytest.raises(InputError, match=r"it holds blocks\.0\.conv"):
        slices(sonde.load("specimen:digits"), "blocks.0")
