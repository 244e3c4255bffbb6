"""Networks whose answers are known: a linear unit that wants a grating, and a bank of four orientations."""

import math

import torch
from torch import nn

import sonde
from sonde.vision import Pixels

SIDE, FREQUENCY = 32, 5 / 32  # of the wanted grating, in cycles per pixel
ANGLES = (0, 45, 90, 135)
PLAIN = Pixels(SIDE, colours="plain")


def gabor(degrees, side=SIDE, frequency=FREQUENCY, sigma=8.0):
    """A grating under a bell, its waves across the angle, without mean."""
    middle = (side - 1) / 2
    down, across = torch.meshgrid(torch.arange(side) - middle, torch.arange(side) - middle, indexing="ij")
    angle = math.radians(degrees)
    bell = torch.exp(-(down.square() + across.square()) / (2 * sigma**2))
    wave = bell * torch.cos(2 * math.pi * frequency * (across * math.cos(angle) + down * math.sin(angle)))
    return wave - wave.mean()


def linear(shuffled=False):
    """A network of four units over the whole picture, each the same grating in all colours at another angle."""
    weights = torch.stack([gabor(angle) for angle in ANGLES])[:, None].repeat(1, 3, 1, 1)
    if shuffled:
        order = torch.randperm(SIDE * SIDE, generator=torch.Generator().manual_seed(0))
        weights = weights.flatten(2)[..., order].view_as(weights)
    conv = nn.Conv2d(3, 4, SIDE, bias=False)
    conv.weight = nn.Parameter(weights.contiguous())
    return sonde.load(nn.Sequential(conv)), weights


def optimum(weights, unit):
    """What the best picture of 0 to 1 reaches: the sum of the positive weights."""
    return float(weights[unit].clamp(min=0).sum())


def bank(relu=True):
    """Four oriented filters of 9 x 9 pixels, rectified."""
    weights = torch.stack([gabor(angle, 9, 1 / 5, 2.5) for angle in ANGLES])[:, None].repeat(1, 3, 1, 1) / 3
    conv = nn.Conv2d(3, 4, 9, bias=False, padding=4)
    conv.weight = nn.Parameter(weights)
    return sonde.load(nn.Sequential(conv, nn.ReLU()) if relu else nn.Sequential(conv))


def dominant(picture):
    """Frequency (cycles per pixel) and angle (degrees, 0 to 179) of the strongest wave of a picture, and its share of all power."""
    grey = picture.mean(0)
    power = torch.fft.fft2(grey - grey.mean()).abs().square()
    place = int(power.argmax())
    down, across = (float(torch.fft.fftfreq(side)[i]) for side, i in zip(power.shape, divmod(place, power.shape[1]), strict=True))
    return math.hypot(down, across), math.degrees(math.atan2(down, across)) % 180, 2 * float(power.max() / power.sum())
