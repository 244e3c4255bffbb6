"""An attribution of a picture is drawn over that picture."""

import torch
from torch import nn

import sonde
from sonde.attribution import gradient, gradient_x_input
from sonde.results.drawing import unpacked_map
from sonde.tasks import Logit


def test_a_linear_model_is_drawn_over_its_picture() -> None:
    weights = torch.arange(12.0).reshape(1, 12) - 4
    layer = nn.Linear(12, 1, bias=False)
    layer.weight.data = weights
    pictures = torch.linspace(0, 1, 24).reshape(2, 3, 2, 2)
    found = gradient_x_input(sonde.Model(nn.Sequential(nn.Flatten(), layer)), pictures, of=Logit([0, 0]))
    drawn = found.drawing(example=1)
    truth = (weights.reshape(3, 2, 2) * pictures[1]).sum(0)  # the channels of a pixel together
    assert drawn.kind == "overlay"
    torch.testing.assert_close(torch.tensor(unpacked_map(drawn.data["map"])), truth, atol=1e-3, rtol=0)
    assert (drawn.data["picture"]["channels"], drawn.data["picture"]["rows"], drawn.legend["scale"]) == (3, 2, "diverging")


def test_values_without_a_sign_have_one_colour() -> None:
    model = sonde.Model(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)))
    drawn = gradient(model, torch.rand(1, 1, 2, 2), of=Logit([1]), norm="l2").drawing()
    assert (drawn.kind, drawn.legend["scale"]) == ("overlay", "sequential")
