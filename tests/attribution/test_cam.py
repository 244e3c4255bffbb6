"""Maps of the last layer: by hand, against captum, on transformers, and where they mean little."""

import pytest
import torch
from attribution.nets import convnet
from tiny_encoders import build
from torch import nn
from torch.nn.functional import interpolate

import sonde
from sonde.attribution import grad_cam, grad_cam_plus_plus, guided_backpropagation, guided_grad_cam
from sonde.nn import permuted
from sonde.results import InputError
from sonde.tasks import Logit, LogitDifference


@pytest.fixture
def two_channels():
    """Two maps of 2 x 2: the picture itself and its negative; class 0 counts the first's mean twice, class 1 the second's."""
    conv = nn.Conv2d(1, 2, 1, bias=False)
    head = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))
        head.weight.copy_(torch.tensor([[2.0, 0.0], [0.0, 1.0]]))
    return sonde.Model(nn.Sequential(conv, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)), torch.tensor([[[[1.0, -2.0], [3.0, 0.0]]]])


def test_by_hand(two_channels):
    """The mean of the first map has slope 2 / 4 at each place, so the map of class 0 is A / 2; of class 1 -A / 4; what is positive is kept."""
    model, picture = two_channels
    for target, factor in ((0, 0.5), (1, -0.25)):
        signed = grad_cam(model, picture, of=Logit([target]), rectified=False)
        assert torch.allclose(signed.values, factor * picture[:, 0]) and signed.site == "0:out"
        assert torch.allclose(grad_cam(model, picture, of=Logit([target])).values, (factor * picture[:, 0]).relu())
        assert torch.allclose(
            grad_cam(model, picture, of=LogitDifference([target], [1 - target]), rectified=False).values, 0.75 * picture[:, 0] * (1 - 2 * target)
        )
    # Grad-CAM++ for class 0: g = 1/2 at each place, sum of A is 2: a = 1/4 / (1/2 + 1/4) = 1/3, w = 4 * 1/3 * 1/2
    plus = grad_cam_plus_plus(model, picture, of=Logit([0]), rectified=False)
    assert torch.allclose(plus.values, 2 / 3 * picture[:, 0], atol=1e-6)


def test_maps_are_captums_and_blended_over_the_pixels():
    from captum.attr import LayerGradCam

    net, pictures = convnet()
    found = LayerGradCam(net, net[3]).attribute(pictures, target=2, relu_attributions=False)
    ours = grad_cam(sonde.Model(net), pictures, of=Logit([2]), rectified=False)
    assert ours.site == "3:out" and torch.allclose(ours.values, interpolate(found, (8, 8), mode="bilinear")[:, 0], atol=1e-6)
    assert grad_cam(sonde.Model(net), pictures, of=Logit([2]), at="0:out").values.shape == (3, 8, 8)


def test_one_weight_for_a_map_is_called_a_guess_where_no_average_follows():
    for pooled in (True, False):
        net, pictures = convnet(pooled=pooled)
        assert any("is a guess" in note for note in grad_cam(sonde.Model(net), pictures, of=Logit([0])).notes) is not pooled


def test_guided_grad_cam_is_the_product():
    net, pictures = convnet()
    model = sonde.Model(net)
    product = grad_cam(model, pictures, of=Logit([1])).values[:, None] * guided_backpropagation(model, pictures, of=Logit([1])).values
    assert torch.allclose(guided_grad_cam(model, pictures, of=Logit([1])).values, product)


def test_a_map_points_at_the_planted_corner():
    """Only the top left quarter of a picture decides; the control reads the bottom right one."""

    class Quarter(nn.Module):
        def __init__(self, corner):
            super().__init__()
            self.corner, self.conv, self.act = corner, nn.Conv2d(1, 1, 1, bias=False), nn.ReLU()
            nn.init.ones_(self.conv.weight)

        def forward(self, x):
            maps = self.act(self.conv(x))
            read = maps[:, :, :4, :4] if self.corner == "first" else maps[:, :, 4:, 4:]
            return read.mean((2, 3))

    pictures = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    pictures[:, :, 2, 2] = 5.0
    for corner, inside in (("first", True), ("last", False)):
        values = grad_cam(sonde.Model(Quarter(corner)), pictures, of=Logit([0]), at="conv:out").values
        assert bool((values.flatten(1).argmax(-1) == 2 * 8 + 2).all())  # the map is one weight times the picture, whatever quarter is read ...
        guided = guided_grad_cam(sonde.Model(Quarter(corner)), pictures, of=Logit([0]), at="conv:out").values[:, 0]
        assert bool((guided[:, :4, :4].sum((1, 2)) > 0).all()) is inside  # ... which the pixels' own slopes set right
        assert any("is a guess" in note for note in grad_cam(sonde.Model(Quarter(corner)), pictures, of=Logit([0]), at="conv:out").notes)


@pytest.mark.parametrize("name", ["vit", "deit", "dinov2"])
def test_patches_of_a_transformer_become_a_map(name):
    model = sonde.load(build(name))
    pictures = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    result = grad_cam(model, pictures, of=Logit([1]), rectified=False)
    assert result.site == "blocks.1.resid_pre" and result.values.shape == (2, 8, 8)
    slope = model.grad(pictures, of=Logit([1]), at=result.site)[result.site]
    value = model.run(pictures, read=result.site)[result.site]
    first = model.architecture.specials
    by_patch = (value[:, first:] * slope[:, first:].mean(1, keepdim=True)).sum(-1).unflatten(1, (2, 2))
    assert torch.allclose(result.values, interpolate(by_patch[:, None], (8, 8), mode="bilinear")[:, 0], atol=1e-5)


def test_a_map_that_nothing_reads_is_refused():
    """Behind the last block only the class token is read: a peer's map is all zero there."""
    model = sonde.load(build("vit"))
    pictures = torch.randn(2, 3, 8, 8)
    with pytest.raises(InputError, match=r"no place of the maps at 'blocks\.1\.resid_post' has a gradient"):
        grad_cam(model, pictures, of=Logit([1]), at="blocks.1.resid_post")


def test_a_randomised_network_has_another_map():
    net, pictures = convnet()
    ours, other = (grad_cam(sonde.Model(m), pictures, of=Logit([0]), rectified=False).values for m in (net, permuted(net, 1)))
    assert not torch.allclose(ours, other, atol=1e-3)


@pytest.mark.parametrize(
    "module, at, message",
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 3)), None, r"has no convolution \(nn\.Conv2d\), so name the site of its maps with at="),
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 3)), "1:out", "'1:out' has the axes unit, which are no maps"),
        (nn.Sequential(nn.Conv2d(3, 2, 8), nn.Flatten()), None, "gives maps of more than one place"),
    ],
)
def test_refusals(module, at, message):
    with pytest.raises(InputError, match=message):
        grad_cam(sonde.Model(module), torch.randn(2, 3, 8, 8), of=Logit([0]), at=at)


def test_inputs_without_pictures_are_refused():
    with pytest.raises(InputError, match="has no convolution"):
        grad_cam(sonde.Model(nn.Linear(4, 3)), torch.randn(2, 4), of=Logit([0]))
