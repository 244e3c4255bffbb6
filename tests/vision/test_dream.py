"""Deep Dream on a planted bank of orientations; beside it what must not move: no gradient, no step."""

import pytest
import torch
from torch import nn
from vision.planted import bank

import sonde
from sonde.results import InputError
from sonde.vision import Channel, Dream, Layer, dream

SIDE = 96


@pytest.fixture(scope="module")
def grey():
    """Grey noise."""
    return (0.5 + 0.02 * torch.randn(1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))).clamp(0, 1).expand(3, -1, -1)


def energy(model, picture):
    """Each orientation's rectified energy."""
    return model.run(picture[None], read="1:out")["1:out"][0].square().mean((1, 2))


def test_the_dreamt_orientation_gains_ten_times_any_other(grey):
    model = bank()
    found = dream(model, grey, Channel("1", 1), normalise="none")
    gain = energy(model, found.after) / energy(model, grey)
    others = gain[[0, 2, 3]]
    assert float(gain[1]) >= 10 * float(others.max())
    assert found.trace.shape == (4, 10) and found.octaves[0].shape[1] == round(SIDE / 1.4**3) and found.octaves[-1].shape == (3, SIDE, SIDE)
    (verdict,) = found.check(model)
    assert verdict.holds


@pytest.mark.parametrize(("objective", "alike"), [(Layer("1"), True), (Channel("1", 1), False)])
def test_mean_squares_exaggerate_what_is_there_and_means_do_not(grey, objective, alike):
    """Added power goes where the start answered; of a mean the slope is the same wherever the unit is on, so nothing is exaggerated: the control."""
    model = bank()
    found = dream(model, grey, objective, normalise="none", octaves=1, roll=0, steps=5, step=0.5 / 255)
    answer = model.run(grey[None], read="1:out")["1:out"][0, 1]
    added = (found.after - found.before).square().sum(0)
    blocks = torch.nn.functional.avg_pool2d(torch.stack([answer, added])[None], 6)[0].flatten(1)
    assert (float(torch.corrcoef(blocks)[0, 1]) > 0.5) == alike


def test_no_gradient_leaves_every_bit(grey):
    conv = nn.Conv2d(3, 1, 3)
    with torch.no_grad():
        conv.bias.fill_(-1e3)
    model = sonde.load(nn.Sequential(conv, nn.ReLU()))
    found = dream(model, grey, "1", normalise="none")
    assert torch.equal(found.after, grey) and not found.moved and "no gradient" in found.notes[0]
    assert found.check(model)[0].holds is None


def test_a_grey_picture_is_repeated_for_each_channel(grey):
    """As a file of examples is; the dream is that of the repeated picture, and it is said."""
    one = grey.mean(0, keepdim=True)
    how = {"normalise": "imagenet", "octaves": 1, "steps": 2}
    found = dream(bank(), one, "1", **how)
    assert torch.equal(found.after, dream(bank(), one.repeat(3, 1, 1), "1", **how).after)
    assert found.notes == ("the grey picture was repeated for each of 3 channels",)


def test_without_a_step_it_is_the_picture(grey):
    assert torch.equal(dream(bank(), grey, "1", normalise="none", octaves=1, step=0.0).after, grey)
    assert torch.equal(dream(bank(), grey, "1", normalise="none", steps=0).after, grey)


def test_one_octave_without_rolls_is_plain_ascent(grey):
    model = bank()
    found = dream(model, grey, "1", normalise="none", octaves=1, steps=3, roll=0)
    x = grey[None]
    for _ in range(3):
        leaf = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(model.module(leaf).square().mean(), leaf)
        x = (x + 1.5 / 255 * slope / (slope.abs().mean() + 1e-8)).clamp(0, 1)
    assert torch.allclose(found.after, x[0], atol=1e-6)


def test_dreams_are_kept_and_drawn(grey, tmp_path):
    found = dream(bank(), grey[:, :32, :40], "1", normalise="none", octaves=2, steps=2)
    kept = Dream.load(found.save(tmp_path / "kept"))
    assert torch.equal(kept.after, found.after) and kept.reached == found.reached
    assert found.drawing().axes["col"]["labels"] == ["before", "octave 1", "after"] and found.to_frame().height == 4


@pytest.mark.parametrize(
    ("picture", "how", "words"),
    [
        (torch.rand(1, 3, 8, 8), {}, r"a tensor \(channel row col\)"),
        (255 * torch.rand(3, 8, 8), {}, "pixels lie from 0 to 1"),
        (torch.rand(3, 8, 8), {"normalise": None}, "state it with normalise="),
        (torch.rand(3, 8, 8), {"ratio": 1.0}, "ratio=1.0"),
        (torch.rand(3, 8, 8), {"octaves": 0}, "octaves=0"),
        (torch.rand(2, 8, 8), {}, "can't take"),
    ],
)
def test_what_makes_no_sense_is_refused(picture, how, words):
    with pytest.raises(InputError, match=words):
        dream(bank(), picture, "1", **{"normalise": "none"} | how)
