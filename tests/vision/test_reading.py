"""Reading a layer of many pictures: equal to plain runs, ended after the layer, and in a layout that the network takes."""

import pytest
import torch
from torch import nn

import sonde
from sonde.access import Site
from sonde.access.forward import forward
from sonde.results import SiteUnavailable
from sonde.vision import Channel, Fourier, show
from sonde.vision.reading import Reader, layout_of, maps_of


class Flattened(nn.Module):
    """Looks at its maps by `view`, which can't be done where the channels of a place lie side by side."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu, self.last = nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Linear(4 * 36, 2)

    def forward(self, x):
        return self.last(self.relu(self.conv(x)).view(len(x), -1))


class Strided(nn.Module):
    """Reads memory as if pictures always lay row by row: another layout gives other numbers without a word."""

    def __init__(self):
        super().__init__()
        self.conv, self.last = nn.Conv2d(3, 4, 3), nn.Linear(4 * 36, 2)

    def forward(self, x):
        maps = self.conv(x)
        return self.last(torch.as_strided(maps, (len(x), 4 * 36), (4 * 36, 1)))


class Twice(nn.Module):
    """Calls one layer twice."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x):
        return self.conv(torch.relu(self.conv(x)))


def pictures(n=10):
    return torch.rand(n, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def counting(module):
    """How often a module is called from now on."""
    calls = []
    module.register_forward_hook(lambda *_: calls.append(1))
    return calls


def plain():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(8, 4, 1), nn.Flatten(), nn.Linear(36, 2))


def test_batches_equal_plain_runs_and_end_after_the_layer():
    """The values are those of single runs up to the order of summation; what comes after the layer is called for the first batch only."""
    net = plain()
    model, shown = sonde.load(net), pictures(12)
    expected = maps_of(model, "0:out", shown)
    assert layout_of(model, shown[:1], ["0:out"]) == torch.channels_last
    reader = Reader(model, "0:out")
    read = [reader(shown[:4])]
    calls = counting(net[5])
    read += [reader(shown[4:8]), reader(shown[8:])]
    assert not calls
    # 27 products of a weight and a pixel of at most 1, and a bias: each order of summation is off by at most 28 roundings of what is summed
    summed = float((net[0].weight.abs().flatten(1).sum(1) + net[0].bias.abs()).max().detach())
    torch.testing.assert_close(torch.cat(read), expected, rtol=0, atol=2 * 28 * 2**-24 * summed)
    assert float(expected.min()) < 0  # what the ReLU overwrites in place is not what was read


@pytest.mark.parametrize("kind", [Flattened, Strided])
def test_a_network_that_counts_on_rows_keeps_them(kind):
    """A network that refuses the other layout, or answers otherwise, gets pictures as they lie, and everything works as before."""
    torch.manual_seed(0)
    model, shown = sonde.load(kind()), pictures()
    assert layout_of(model, shown[:1], []) == torch.contiguous_format
    assert torch.equal(Reader(model, "last:out")(shown), model.run(shown, read=["last:out"])["last:out"])
    found = show(model, Channel("conv", 1), of=Fourier(8), transforms=(), normalise="none", steps=3)
    assert found.trace.isfinite().all()


def test_layers_that_are_called_twice_are_still_refused():
    """The first batch is run to its end, so a stop can't hide the second call."""
    model = sonde.load(Twice())
    with pytest.raises(SiteUnavailable):
        Reader(model, "conv:out")(pictures())
    # the control: whoever stops unseen is answered by the first call
    run = forward(model, model.prepare(pictures()), [Site.parse("conv:out")], [], logits=False, stop=True)
    assert run["conv:out"].shape[1] == 3


def test_networks_without_convolutions_keep_the_layout():
    """There is nothing to gain."""
    model = sonde.load(nn.Sequential(nn.Flatten(), nn.Linear(192, 3)))
    assert layout_of(model, pictures(1), []) == torch.contiguous_format
