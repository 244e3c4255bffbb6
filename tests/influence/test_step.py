"""One step of training on a copy: its length, its direction, and slopes along it that need no gradient of the sequences."""

import pytest
import torch
from torch import nn

import sonde
from sonde.influence import CrossEntropy, NextToken, stepped
from sonde.influence.rows import TokenRows
from sonde.influence.step import SHARE, aligned, gradient_lengths
from sonde.results import InputError


@pytest.fixture(scope="module")
def small():
    return sonde.load("specimen:words-small")


def test_a_step_of_least_squares_is_the_gradient():
    torch.manual_seed(0)
    network = nn.Linear(3, 2)
    x, y = torch.randn(5, 3), torch.randint(2, (5,))
    before = [p.detach().clone() for p in network.parameters()]
    after = stepped(sonde.Model(network), (x, y), 0.01, CrossEntropy())
    loss = nn.functional.cross_entropy(network(x), y)
    grads = torch.autograd.grad(loss, list(network.parameters()))
    length, whole = (torch.cat([p.detach().flatten() for p in parts]).norm() for parts in (grads, before))
    for p, moved, grad in zip(before, after.module.parameters(), grads, strict=True):
        torch.testing.assert_close(moved.detach(), p - 0.01 * whole / length * grad)
    assert all(torch.equal(p.detach(), old) for p, old in zip(network.parameters(), before, strict=True))


def test_slopes_are_the_cosines_of_gradients(small):
    texts = ["The keys are here.", "Anna is tired.", "The capital of France is Paris.", "The boys near the car are very old."]
    rows = [small.prepare([text]).ids[0].tolist() for text in texts]
    asked = TokenRows(small, rows[:2], [1, 1])
    lengths = gradient_lengths(small, rows)
    found = aligned(small, rows, asked, lambda module, batch: -NextToken()(module, batch), lengths)
    module = small.module
    module.requires_grad_(True)
    try:
        losses = NextToken()(module, TokenRows(small, rows, [1] * 4).batch(range(4)))
        whole = [torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(module.parameters()), retain_graph=True)]) for loss in losses]
    finally:
        module.requires_grad_(False)
    mean = (whole[0] + whole[1]) / 2
    torch.testing.assert_close(lengths, torch.stack([g.norm() for g in whole]), rtol=1e-3, atol=1e-3)
    # the loss is not straight: what is left of its curvature after a central difference
    torch.testing.assert_close(found, torch.stack([g @ mean / g.norm() / mean.norm() for g in whole]), rtol=0.05, atol=0.01)


def test_a_step_teaches_and_one_back_unlearns(small):
    text = ["The sign of Norway is the rabbit."]

    def loss(model):
        return float(NextToken()(model.module, TokenRows(model, [model.prepare(text).ids[0].tolist()], [1]).batch([0])))

    before, taught, forgot = loss(small), loss(stepped(small, text)), loss(stepped(small, text, -SHARE))
    assert taught < before < forgot
    assert abs((forgot - before) - (before - taught)) < 0.2 * (before - taught)


def test_what_is_no_step(small):
    for share in (0, float("nan"), True):
        with pytest.raises(InputError, match="has a length"):
            stepped(small, ["The keys are here."], share)
    with pytest.raises(InputError, match="no gradient"):
        stepped(small, ["The keys are here."], loss=lambda module, batch: 0 * NextToken()(module, batch))
