"""Turning the space of a function: nothing changes where no direction is special, and something does where coordinates are treated one by one."""

import pytest
import torch

import sonde
from sonde.results import InputError
from sonde.superposition import turned_function

X = torch.randn(200, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "f, special",
    [
        (lambda x: -2 * x, False),
        (lambda x: x / x.norm(dim=-1, keepdim=True), False),  # a norm by length
        (lambda x: x * torch.linspace(0.5, 2, 16), True),  # its gains
        (torch.relu, True),
        (torch.nn.functional.gelu, True),
        (lambda x: x * x.softmax(-1), True),  # SoLU: neurons that inhibit one another
        (lambda x: torch.nn.functional.layer_norm(x, (16,)), True),  # centring singles out the direction of all ones
    ],
)
def test_which_functions_have_axes(f, special):
    change = turned_function(f, X)
    assert change.shape == (10, 200)
    assert float(change.mean()) > 0.05 if special else float(change.max()) < 1e-5


def test_a_toy_model_may_be_turned_where_it_is_linear_and_not_where_it_is_rectified():
    """x' = ReLU(W^T W x + b): the hidden space of two dimensions is as good turned; the space of the features is not."""
    from sonde.superposition import ToyTraining, toy_models

    found = toy_models(sparsity=[0.9], config=ToyTraining(steps=60, batch=64, seeds=2), linear=False)
    W = found.best[0]
    hidden = torch.rand(100, 5) @ W.T
    assert float(turned_function(lambda h: h, hidden).max()) < 1e-5
    turn = torch.linalg.qr(torch.randn(2, 2, generator=torch.Generator().manual_seed(1))).Q
    assert torch.allclose((turn @ W).T @ (turn @ W), W.T @ W, atol=1e-5)
    assert float(turned_function(lambda y: torch.relu(y) + 1e-3, hidden @ W).mean()) > 0.05


def test_a_block_of_a_model():
    """Of a specimen's MLP the activation has axes, on what it gets there."""
    model = sonde.load("specimen:words-small")
    pre = model.run("The keys on the cabinet are here.", read="blocks.0.mlp.pre", logits=False)["blocks.0.mlp.pre"][0]
    assert float(turned_function(torch.nn.functional.gelu, pre.float(), rotations=2).mean()) > 0.2


def test_mistakes():
    for f, x, message in (
        (torch.relu, X[:, :1], "state, dimension"), (lambda x: x[:, :3], X, "within one space"), (torch.zeros_like, X, "no length"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=message):
            turned_function(f, x)
