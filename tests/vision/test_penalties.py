"""Terms that ask for pictures of a kind: where the best picture is known in closed form it is found, and each term is what its formula says."""

import numpy as np
import pytest
import torch
from vision.planted import PLAIN, SIDE, linear

from sonde.results import InputError
from sonde.vision import Alignment, Evenness, Nearness, Neuron, Smoothness, show
from sonde.vision.objectives import Seen

PIXELS = 3 * SIDE * SIDE


def seen(pictures):
    """Pictures of which no layer is read."""
    return Seen({}.__getitem__, lambda: None, pictures)


def sought(term, weight, steps=160):
    """The picture of a linear unit with a penalty, and the unit's weights."""
    model, weights = linear()
    return show(model, Neuron("0", 0) + weight * term, of=PLAIN, transforms=(), normalise="none", steps=steps).pictures[0], weights[0]


def test_near_a_constant_the_best_picture_is_the_scaled_filter():
    """w.x - (k / N) |x - c|^2 is largest at x = c + N w / 2k, which here stays within 0 and 1."""
    _, weights = linear()
    weight = PIXELS * float(weights[0].abs().max()) / 0.6
    picture, own = sought(Nearness(0.4), weight)
    best = 0.4 + PIXELS * own / (2 * weight)
    assert float((picture - best).abs().max()) < 0.02
    # the control: without the penalty pixels go to the ends
    free, _ = sought(Nearness(0.4), 0.0)
    assert float((free - best).abs().max()) > 0.5


def test_by_size_few_pixels_leave_the_constant():
    """w.x - (k / N) |x - c| is largest where pixels stay at c wherever |w| < k / N, and go to the ends elsewhere."""
    _, weights = linear()
    least = float(weights[0].abs().max()) / 2
    picture, own = sought(Nearness(0.5, power=1), PIXELS * least)
    stays, leaves = own.abs() < 0.5 * least, own.abs() > 1.5 * least
    assert float((picture - 0.5)[stays].abs().max()) < 0.15  # steps of Adam swing about the corner
    assert float((picture - 0.5)[leaves].abs().min()) > 0.35


def test_evenness_pulls_towards_the_blurred_picture():
    """Its gradient is (blur(x) - x) / N, where the blur is a weighted mean of those neighbours that there are."""
    pictures = torch.rand(2, 1, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    Evenness().value(seen(pictures)).sum().backward()
    kernel = np.array([[1, 2, 1], [2, 12, 2], [1, 2, 1]])
    for picture, slope in zip(pictures.detach().numpy()[:, 0], pictures.grad.numpy()[:, 0], strict=True):
        for row in range(3):
            for col in range(4):
                around = [(r, c) for r in range(max(0, row - 1), min(3, row + 2)) for c in range(max(0, col - 1), min(4, col + 2))]
                weights = [kernel[r - row + 1, c - col + 1] for r, c in around]
                blurred = sum(w * picture[at] for w, at in zip(weights, around, strict=True)) / sum(weights)
                assert slope[row, col] == pytest.approx((blurred - picture[row, col]) / 12, abs=1e-12)
    assert float(Evenness().value(seen(torch.full((1, 3, 5, 5), 0.3)))) == pytest.approx(0, abs=1e-12)


def test_penalties_of_change_take_away_high_frequencies():
    """The same unit with and without: the share of the power above a quarter of the sampling rate falls."""

    def high(picture):
        power = torch.fft.fft2(picture - picture.mean((1, 2), keepdim=True)).abs().square().sum(0)
        radius = (torch.fft.fftfreq(SIDE)[:, None].square() + torch.fft.fftfreq(SIDE)[None].square()).sqrt()
        return float(power[radius > 0.25].sum() / power.sum())

    bare, _ = sought(Smoothness(), 0.0, steps=64)
    for term, weight in ((Smoothness(), 1000.0), (Evenness(), 30000.0)):
        assert high(sought(term, weight, steps=64)[0]) < 0.5 * high(bare)


def test_smoothness_and_alignment_are_their_formulas():
    """A step of height 1 between 4 columns: 1/3 of the steps across; and squares of differences, halved with each step apart."""
    edge = torch.zeros(1, 1, 3, 4)
    edge[..., 2:] = 1
    assert float(Smoothness().value(seen(edge))) == pytest.approx(-1 / 3)
    row = torch.tensor([0.0, 0.1, 0.4, 0.5, 0.5, 1.0]).view(-1, 1, 1, 1).expand(-1, 1, 2, 2)
    values = row[:, 0, 0, 0].tolist()
    pairs = sum((values[i] - values[j]) ** 2 / 2 ** (j - i) for i in range(6) for j in range(i + 1, min(6, i + 5)))
    assert float(Alignment().value(seen(row)).sum()) == pytest.approx(-pairs)


def test_constants_that_are_none_are_refused():
    for how in ({"to": 2.0}, {"to": float("nan")}, {"power": 3}):
        with pytest.raises(InputError, match="from 0 to 1"):
            Nearness(**how)
