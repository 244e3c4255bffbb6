"""The convolutional network: what it computes, what it refuses, and that a folder gives it back."""

import pytest
import torch
from torch import nn

import sonde
from sonde.nn import ConvNet, ConvNetConfig
from sonde.results import InputError, LoadError

SHAPE = ConvNetConfig(image_size=8, n_classes=4, channels=(3, 5), image_channels=2)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return ConvNet(SHAPE).eval()


def test_is_what_its_docstring_says(net):
    """The same maps by torch's own functions."""
    x = torch.randn(3, 2, 8, 8)
    first, second = net.blocks
    maps = nn.functional.max_pool2d(nn.functional.conv2d(x, first.conv.weight, first.conv.bias, padding=1).relu(), 2)
    maps = nn.functional.conv2d(maps, second.conv.weight, second.conv.bias, padding=1).relu()
    assert maps.shape == (3, 5, 4, 4)
    torch.testing.assert_close(net(x), maps.mean((2, 3)) @ net.head.weight.T + net.head.bias)


def test_sites_by_path(net):
    model = sonde.load(net)
    x = torch.randn(2, 2, 8, 8)
    run = model.run(x, read=["blocks.0.conv:out", "blocks.1.act:out", "blocks.0:out"])
    assert run.axes("blocks.0.conv:out") == run.axes("blocks.1.act:out") == ("batch", "channel", "row", "col")
    assert run["blocks.0:out"].shape == (2, 3, 4, 4)
    assert torch.equal(run.logits, net(x))
    without = model.run(x, edits=[sonde.Zero("blocks.1.act:out[channel=2]")]).logits
    change = run["blocks.1.act:out"][:, 2].mean((1, 2))[:, None] * net.head.weight[:, 2]
    torch.testing.assert_close(run.logits - without, change)


def test_a_folder_gives_it_back(net, tmp_path):
    net.save(tmp_path)
    loaded = ConvNet.load(tmp_path)
    assert loaded.config == SHAPE and not loaded.training
    x = torch.randn(2, 2, 8, 8)
    assert torch.equal(loaded(x), net(x))
    assert torch.equal(sonde.load(tmp_path).run(x).logits, net(x))
    assert sonde.load(tmp_path, dtype=torch.bfloat16).module.head.weight.dtype == torch.bfloat16


def test_weights_of_another_shape_are_refused(net, tmp_path):
    net.save(tmp_path)
    config = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(config.replace('"n_classes": 4', '"n_classes": 5'))
    with pytest.raises(LoadError, match=r"tensor head\.\w+ has shape \(4,.*the configuration says \(5,"):
        ConvNet.load(tmp_path)
    (tmp_path / "config.json").write_text(config.replace("sonde-convnet", "sonde-transformer"))
    with pytest.raises(LoadError, match=r"load it with sonde\.load"):
        ConvNet.load(tmp_path)


@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (1, 2, 8, 9)])
def test_other_pictures_are_refused(net, shape):
    with pytest.raises(InputError, match=r"do not fit: give \(batch, 2, 8, 8\)"):
        net(torch.zeros(shape))


@pytest.mark.parametrize(
    "change, message",
    [({"channels": (3, 5, 7, 9, 11)}, "image_size=8 can't be halved 4 times"), ({"channels": ()}, "can't be"), ({"kernel_size": 4}, "no middle")],
)
def test_shapes_that_make_no_network(change, message):
    with pytest.raises(InputError, match=message):
        ConvNetConfig(**{"image_size": 8, "n_classes": 4, **change})
