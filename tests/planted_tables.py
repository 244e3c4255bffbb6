"""Classifiers of tables and pictures whose truth is known, and attributions made up for them."""

from dataclasses import replace

import torch
from torch import nn

import sonde
from sonde.attribution import gradient_x_input
from sonde.tasks import Logit

OF = Logit([0])


def linear(weights, n=12, seed=0):
    """A linear scorer of a table with these weights, and rows of it."""
    layer = nn.Linear(len(weights), 2)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[0] = torch.tensor(weights)
        layer.bias.zero_()
    return sonde.Model(nn.Sequential(layer)), torch.rand(n, len(weights), generator=torch.Generator().manual_seed(seed)) + 0.5


def left_half(n=12, seed=0):
    """A scorer of 6 x 6 pictures that reads their left half alone, and pictures."""

    class Left(nn.Module):
        def __init__(self):
            super().__init__()
            self.score = nn.Linear(18, 2)
            nn.init.constant_(self.score.weight, 1.0)

        def forward(self, pictures):
            return self.score(pictures[..., :3].flatten(1))

    return sonde.Model(Left()), torch.rand(n, 1, 6, 6, generator=torch.Generator().manual_seed(seed))


def true(model, inputs, of=OF):
    """The contributions of a linear model."""
    return gradient_x_input(model, inputs, of=of)


def random(model, inputs, of=OF, seed=99):
    """An attribution of the same places that looks at nothing."""
    result = gradient_x_input(model, inputs, of=of)
    return replace(result, values=torch.rand(result.values.shape, generator=torch.Generator().manual_seed(seed)), method="random values")


def inverted(model, inputs, of=OF):
    """The truth upside down."""
    result = gradient_x_input(model, inputs, of=of)
    return replace(result, values=-result.values, method="the inverse")
