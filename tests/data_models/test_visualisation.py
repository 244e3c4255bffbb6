"""What ascent finds on a real network: without a spectrum and transforms fine noise, with them structure that shuffled weights do not have."""

import pytest
import torch
from data_models import nets
from data_models.shared import DATA, needs

import sonde
from sonde.vision import Channel, Fourier, Normalisation, Pixels, show

pytestmark = needs("squeezenet_v1.0_dc")
BYTES = Normalisation((104.0, 117.0, 123.0), scale=255.0, order="bgr")


@pytest.fixture(scope="module")
def model():
    return sonde.load(nets.squeezenet(DATA / "squeezenet_v1.0_dc"))


def fine(pictures):
    """The share of power in the top octave of frequencies."""
    power = torch.fft.fft2(pictures - pictures.mean((2, 3), keepdim=True)).abs().square()
    radius = (torch.fft.fftfreq(power.shape[2])[:, None].square() + torch.fft.fftfreq(power.shape[3]).square()).sqrt()
    return power[..., radius > 0.25].sum((1, 2)) / power.sum((1, 2, 3))


def test_naive_pixels_find_finer_patterns_than_a_spectrum_under_transforms(model):
    units = [Channel("fire4", 3), Channel("fire4", 77)]
    naive = show(model, units, of=Pixels(64), transforms=(), normalise=BYTES, steps=24)
    robust = show(model, units, of=Fourier(64), normalise=BYTES, steps=24)
    assert (fine(naive.pictures) > 2 * fine(robust.pictures)).all()
    assert (robust.reached > 100).all() and robust.dead == [False, False]
