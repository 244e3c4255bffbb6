"""Rectified gradients, also where a ReLU is a function; where captum silently gives the plain gradient."""

import pytest
import torch
from attribution.nets import Functional, convnet, rectified
from torch import nn
from torch.nn import functional

import sonde
from sonde.attribution import deconvnet, gradient, guided_backpropagation
from sonde.nn import permuted
from sonde.results import SiteUnavailable
from sonde.tasks import Logit, LogitDifference


@pytest.mark.parametrize("net", [rectified, convnet])
def test_both_are_captums_where_relus_are_modules(net):
    from captum.attr import Deconvolution, GuidedBackprop

    module, inputs = net()
    for ours, theirs in ((guided_backpropagation, GuidedBackprop), (deconvnet, Deconvolution)):
        with pytest.warns(UserWarning, match="Setting backward hooks on ReLU activations"):
            found = theirs(module).attribute(inputs, target=1)
        assert torch.allclose(ours(sonde.Model(module), inputs, of=Logit([1])).values, found, atol=1e-5)


class Ways(nn.Module):
    """The same network with its ReLU written in some way."""

    def __init__(self, relu):
        super().__init__()
        layers, _ = rectified()
        self.first, self.second, self.third, self.relu = layers[0], layers[2], layers[4], relu

    def forward(self, x):
        return self.third(self.relu(self.second(self.relu(self.first(x)))))


def in_place(x):
    functional.relu(x, inplace=True)
    return x


WAYS = {
    "module, in place": nn.ReLU(inplace=True),
    "torch.relu": torch.relu,
    "torch.relu_": torch.relu_,
    "x.relu": torch.Tensor.relu,
    "x.relu_": torch.Tensor.relu_,
    "functional": functional.relu,
    "functional.relu_": functional.relu_,
    "functional, in place": in_place,
}


@pytest.mark.parametrize("relu", WAYS.values(), ids=list(WAYS))
def test_every_way_to_write_a_relu_is_ruled(relu):
    net, rows = rectified()
    for method in (guided_backpropagation, deconvnet):
        expected = method(sonde.Model(net), rows, of=Logit([1])).values
        found = method(sonde.Model(Ways(relu)), rows, of=Logit([1]))
        assert torch.allclose(found.values, expected, atol=1e-6)
        assert torch.allclose(found.metric, net(rows)[:, 1], atol=1e-6)


def test_captum_gives_the_plain_gradient_of_relus_that_are_functions():
    """Why this is not left to modules' hooks: with half of the ReLUs as functions a peer's map is not the guided one, and nothing says so."""
    from captum.attr import GuidedBackprop

    net, rows = rectified()
    written = Functional(net)
    plain = gradient(sonde.Model(net), rows, of=Logit([1])).values
    theirs = GuidedBackprop(written).attribute(rows, target=1)
    ours = guided_backpropagation(sonde.Model(written), rows, of=Logit([1])).values
    assert torch.allclose(theirs, plain, atol=1e-6) and not torch.allclose(ours, plain, atol=1e-3)
    assert torch.allclose(ours, guided_backpropagation(sonde.Model(net), rows, of=Logit([1])).values, atol=1e-6)


def test_a_swap_of_target_and_foil_is_not_the_sign_flipped():
    """What is cut on the way back depends on the sign, so guided maps are the ones that a swap does not turn around."""
    net, rows = rectified()
    there, back = (guided_backpropagation(sonde.Model(net), rows, of=LogitDifference(*ends)).values for ends in (([0], [1]), ([1], [0])))
    assert not torch.allclose(there, -back, atol=1e-3)


def test_a_randomised_network_has_another_map():
    net, pictures = convnet()
    for method in (guided_backpropagation, deconvnet):
        ours, other = (method(sonde.Model(m), pictures, of=Logit([0])).values for m in (net, permuted(net, 0)))
        assert not torch.allclose(ours, other, atol=1e-3)


@pytest.mark.parametrize(
    "act, named",
    [(nn.GELU(), "gelu"), (nn.SiLU(), "silu"), (nn.LeakyReLU(), "leaky_relu"), (nn.ReLU6(), "relu6|hardtanh"), (lambda x: x.clamp(min=0), "clamp")],
)
def test_other_rectifiers_are_refused_by_name(act, named):
    _, rows = rectified()
    with pytest.raises(SiteUnavailable, match=f"is a rule for ReLUs, and this network calls ({named})"):
        guided_backpropagation(sonde.Model(Ways(act)), rows, of=Logit([0]))


def test_a_network_without_relus_is_refused():
    _, rows = rectified()
    with pytest.raises(SiteUnavailable, match="and this network calls none"):
        deconvnet(sonde.Model(nn.Linear(4, 2)), rows, of=Logit([0]))
