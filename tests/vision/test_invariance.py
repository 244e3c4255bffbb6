"""Symmetric filters are indifferent to a mirror, a filter for one side is not; what a shuffled network does as well was not learnt."""

import pytest
import torch
from torch import nn

import sonde
from sonde.results import CheckRefused, InputError, Result
from sonde.vision import invariance
from sonde.vision.invariance import CHANGES, changed

SIDE = 8


class Sides(nn.Module):
    """Units: a sharp edge with its bright side left, both edges, the whole brightness, all red, and one that is dead."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3, padding=1)
        edge = torch.tensor([1.0, 0.0, -1.0]).expand(3, 3)
        with torch.no_grad():
            self.conv.weight.zero_()
            self.conv.weight[0] = edge
            self.conv.weight[1] = edge.abs()
            self.conv.weight[2] = 1.0
            self.conv.weight[3, 0] = 1.0
            self.conv.bias.copy_(torch.tensor([-1.5, 0.0, 0.0, 0.0, -100.0]))

    def forward(self, pixel_values):
        return torch.relu(self.conv(pixel_values)).mean((2, 3))


@pytest.fixture(scope="module")
def model():
    return sonde.load(Sides().eval())


def ramps(n, seed):
    """Pictures that grow darker to the right, in random colours and slopes, on black edges."""
    generator = torch.Generator().manual_seed(seed)
    colour, slope = torch.rand(n, 3, 1, 1, generator=generator), torch.rand(n, 1, 1, 1, generator=generator)
    made = torch.zeros(n, 3, SIDE, SIDE)
    made[..., 1:-1, 1:-1] = colour * (1 - slope * torch.linspace(0, 1, SIDE - 2))
    return made


def test_the_index_is_its_formula(model):
    pictures = ramps(12, 0)
    found = invariance(model, "conv", pictures, ["mirror"], normalise="none", draws=2)
    with torch.no_grad():
        own, other = model.module(pictures), model.module(pictures.flip(-1))
    by_hand = (1 - (own - other).abs() / (own + other)).nanmean(0)
    torch.testing.assert_close(found.index["conv"][0, :4], by_hand[:4])
    assert found.index["conv"][0, 4].isnan()  # dead


def test_units_are_as_invariant_as_their_filters(model):
    found = invariance(model, "conv", ramps(40, 0), normalise="none", draws=2)
    mirror, _, hue = found.index["conv"]
    assert mirror[1:4].tolist() == pytest.approx([1.0] * 3, abs=1e-5) and mirror[0] < 0.9
    assert hue[2] == pytest.approx(1.0, abs=1e-5) and hue[3] < 0.8  # brightness knows no hue, red does
    gains = found.to_frame().filter(change="hue")["gain"]
    assert gains[2] == pytest.approx(1.0, abs=1e-4) and gains[3] < 0.3 and gains[4] is None


def test_a_unit_that_answers_to_everything_alike_is_as_alike_to_another_picture():
    net = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1))
    with torch.no_grad():
        net[0].weight.mul_(1e-3)
        net[0].bias.fill_(10.0)
    found = invariance(sonde.load(net), "0", ramps(20, 0), ["quarter turn"], normalise="none", draws=2)
    assert float(found.index["0"].min()) > 0.999 and float(found.other["0"].min()) > 0.999
    assert float(found.by_picture["0"].abs().max()) < 1e-3  # the index alone looked perfect


@pytest.mark.parametrize("change", CHANGES)
def test_changes_move_pixels_and_return(change):
    pictures = torch.rand(2, 3, 4, 4)
    order = {"mirror": 2, "quarter turn": 4, "hue": 3}[change]
    turned = pictures
    for _ in range(order):
        assert turned.sum() == pytest.approx(float(pictures.sum()), rel=1e-5)
        turned = changed(turned, change)
    assert torch.equal(turned, pictures) and not torch.equal(changed(pictures, change), pictures)


def test_what_was_learnt_is_told_from_what_shuffled_filters_do(model, tmp_path):
    found = invariance(model, "conv", ramps(40, 0), ["mirror", "hue"], normalise="none", draws=4)
    verdicts = found.check(model)
    assert len(verdicts) == 2 and all(verdict.holds is not None for verdict in verdicts)
    again = Result.load(found.save(tmp_path / "kept"))
    torch.testing.assert_close(again.gain("conv"), found.gain("conv"))
    assert len(found.drawing().data["series"]) == 4 and len(found.units("conv", "hue").data["labels"]) == 5
    with pytest.raises(CheckRefused):
        found.check(sonde.load(nn.Sequential(nn.Conv2d(3, 2, 1))))


def test_shuffled_filters_do_not_beat_shuffled_filters():
    torch.manual_seed(0)
    net = sonde.load(nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3)))
    found = invariance(net, ["0", "2"], ramps(30, 0), normalise="none", draws=6)
    assert not any(verdict.holds for verdict in found.check(net))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda model: invariance(model, [], ramps(4, 0), normalise="none"), "no layers"),
        (lambda model: invariance(model, "conv", ramps(4, 0), ["growth"], normalise="none"), "there is no change 'growth': there are mirror"),
        (lambda model: invariance(model, "conv", ramps(1, 0), normalise="none"), "1 picture: give two or more"),
        (lambda model: invariance(model, "conv", ramps(4, 0)[..., :6], ["quarter turn"], normalise="none"), "cut them square, or leave it"),
        (lambda model: invariance(model, "conv", ramps(4, 0), normalise="none", draws=1), "draws=1"),
        (lambda model: invariance(model, "conv", ramps(4, 0), normalise="none", draws=2).units("other"), "'other' under 'mirror' was not asked for"),
    ],
)  # fmt: skip
def test_what_can_not_be_asked_is_refused_in_one_line(model, call, words):
    with pytest.raises(InputError, match=words) as error:
        call(model)
    assert "\n" not in str(error.value)


def test_what_was_left_out_is_said(model):
    found = invariance(model, "conv", ramps(4, 0)[..., :6], normalise="none", draws=2)
    assert found.changes == ["mirror", "hue"] and found.notes == ("no quarter turn: the pictures are not square",)
