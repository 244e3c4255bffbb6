"""Proxy users: explanations of a sparse model help them, shuffled ones and those of an untrained model don't."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

import sonde
from sonde.attribution import gradient_x_input
from sonde.attribution.evaluation import simulatability
from sonde.attribution.evaluation.simulatability import _learnt
from sonde.results import InputError
from sonde.results import Result as AnyResult
from sonde.tasks import LogitDifference

OF = LogitDifference([1], [0])


@cache
def sparse():
    """A model that reads 3 of 12 columns, and rows."""
    net = nn.Sequential(nn.Linear(12, 2))
    with torch.no_grad():
        net[0].weight.zero_()
        net[0].weight[1, :3] = torch.tensor([3.0, -2.0, 2.0])
        net[0].bias.zero_()
    return sonde.Model(net), torch.randn(150, 12, generator=torch.Generator().manual_seed(0))


@cache
def found():
    model, rows = sparse()
    return simulatability(model, rows, gradient_x_input, OF, users=100)


def test_good_explanations_help_and_the_controls_do_not():
    frame = found().to_frame()
    without, shown, shuffled, untrained = frame["accuracy"]
    assert shown > without + 0.1 and 0.5 < without < 0.9
    assert frame["low"][1] > 0.05
    assert shuffled < without + 0.02 and untrained < without + 0.02
    assert found().check(sparse()[0])[0].holds


def test_random_explanations_do_not_hold():
    def random(model, rows, of=None):
        result = gradient_x_input(model, rows, of=of)
        return replace(result, values=torch.randn(result.values.shape, generator=torch.Generator().manual_seed(5)))

    model, rows = sparse()
    assert simulatability(model, rows, random, OF, users=60).check(model)[0].holds is False


def test_a_learner_is_a_logistic_regression():
    rows, y = torch.randn(16, 5, dtype=torch.float64), torch.tensor([0.0, 1.0] * 8, dtype=torch.float64)
    ours = _learnt(rows[None], y[None], torch.zeros(1, 5, dtype=torch.float64))[0]
    theirs = LogisticRegression(C=1.0, tol=1e-8, max_iter=1000).fit(rows.numpy(), y.numpy())  # its intercept has no prior, ours a wide one
    assert torch.allclose(ours[:5], torch.tensor(theirs.coef_[0]), atol=0.01) and float(ours[5]) == pytest.approx(theirs.intercept_[0], abs=0.02)
    prior = torch.tensor([[5.0, 0, 0, 0, 0]], dtype=torch.float64)
    assert float(_learnt(rows[None], y[None], prior)[0, 0]) > float(ours[0])


def test_every_output_says_that_it_is_a_proxy(tmp_path):
    assert "Proxy users, no people" in found().drawing().note and "arm (proxy users)" in found().to_frame().columns
    assert "no people" in found().check(sparse()[0])[0].claim
    assert torch.equal(AnyResult.load(found().save(tmp_path / "s")).accuracy.nan_to_num(), found().accuracy.nan_to_num())


def test_refusals(unchecked):
    model, rows = sparse()
    with pytest.raises(InputError, match="at least 24 of each"):
        simulatability(model, rows[:30], gradient_x_input, OF)
    with pytest.raises(InputError, match="12 columns: give one for each"):
        simulatability(model, rows, lambda m, x, of: replace(gradient_x_input(m, x, of=of), values=x[:, :2]), OF)
