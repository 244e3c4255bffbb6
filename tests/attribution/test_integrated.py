"""Integrals along the way: closed forms, kinks and jumps, several baselines, captum."""

import numpy as np
import pytest
import torch
from attribution.nets import rectified, table
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import sonde
from sonde.access.removal import Baseline
from sonde.attribution import expected_gradients, gradient_x_input, integrated_gradients
from sonde.attribution.quadrature import kronrod, points
from sonde.results import InputError
from sonde.tasks import Logit, LogitDifference


@given(st.integers(1, 20), st.sampled_from(["gauss", "midpoint", "trapezoid"]))
def test_rules_integrate_what_they_promise_and_are_symmetric(steps, rule):
    steps += rule == "trapezoid"
    places, weights = map(np.array, points(rule, steps))
    assert np.allclose(places, 1 - places[::-1]) and np.allclose(weights, weights[::-1]) and np.isclose(weights.sum(), 1)
    for degree in range(2 * steps if rule == "gauss" else 2):
        assert np.isclose((weights * places**degree).sum(), 1 / (degree + 1))


def test_kronrods_rule_is_exact_to_degree_22_and_gausss_to_13():
    places, fine, coarse = map(np.array, kronrod())
    for weights, degree in ((fine, 22), (coarse, 13)):
        legendre = np.polynomial.legendre.legvander(2 * places - 1, degree + 2).T @ weights  # their integrals are 1, 0, 0, ...
        assert abs(legendre[1 : degree + 1]).max() < 1e-14 and abs(legendre[degree + 1 :]).max() > 1e-3


class Square(nn.Module):
    """x0^2 x1 + sin(3 x2): its integrals are known."""

    def forward(self, x):
        return torch.stack([x[:, 0] ** 2 * x[:, 1] + torch.sin(3 * x[:, 2]), x[:, 3]], 1)


def test_a_polynomial_gets_its_closed_form():
    """On the way a x: d/dx0 = 2 a^2 x0 x1, integral 2/3 x0 x1; d/dx1 = a^2 x0^2, integral x0^2 / 3; the sine's own difference."""
    torch.manual_seed(0)
    model, rows = sonde.Model(Square()), torch.randn(6, 4)
    expected = torch.stack([rows[:, 0] ** 2 * rows[:, 1] * 2 / 3, rows[:, 0] ** 2 * rows[:, 1] / 3, torch.sin(3 * rows[:, 2]), 0 * rows[:, 3]], 1)
    result = integrated_gradients(model, rows, of=Logit([0]), baseline="zero", tolerance=1e-5)
    assert torch.allclose(result.values, expected, atol=1e-5) and result.steps == result.evaluations == 15
    for rule in ("gauss", "midpoint", "trapezoid"):
        assert torch.allclose(integrated_gradients(model, rows, of=Logit([0]), baseline="zero", steps=200, rule=rule).values, expected, atol=1e-3)


class Jump(nn.Module):
    """A steep step at x0 + x1 = 0.613, which no rule of few points sees."""

    def forward(self, x):
        return torch.sigmoid(200 * (x[:, 0] + x[:, 1] - 0.613))[:, None] + 0.1 * x[:, 2:3]


def test_a_jump_is_found_and_costs_gradients_only_there():
    model, rows = sonde.Model(Jump()), torch.tensor([[0.7, 0.3, 1.0], [0.1, 0.1, 1.0]])
    result = integrated_gradients(model, rows, of=Logit([0]), baseline="zero", tolerance=1e-3)
    assert torch.allclose(result.values, torch.tensor([[0.7, 0.3, 0.1], [0.0, 0.0, 0.1]]), atol=2e-3)
    assert 15 < result.evaluations < 250
    few = integrated_gradients(model, rows, of=Logit([0]), baseline="zero", steps=15)
    assert few.residual.abs().max() > 10 * result.residual.abs().max()


def test_a_sum_that_is_right_by_accident_does_not_settle():
    """An odd function around the middle of the way: its halves' errors cancel in the sum of two features, not in each."""

    class Cancelling(nn.Module):
        def forward(self, x):
            return (torch.sigmoid(60 * (x[:, 0] - 0.8)) - torch.sigmoid(60 * (x[:, 1] - 0.8)) + x[:, 2])[:, None]

    model, rows = sonde.Model(Cancelling()), torch.ones(1, 3)
    result = integrated_gradients(model, rows, of=Logit([0]), baseline="zero", tolerance=0.01)
    assert torch.allclose(result.values, torch.tensor([[1.0, -1.0, 1.0]]), atol=1e-2) and result.evaluations > 15


@pytest.mark.parametrize("act", [nn.ReLU, nn.Tanh])
def test_integrated_gradients_are_captums(act):
    from captum.attr import IntegratedGradients

    net, rows = rectified(act=act)
    for rule, theirs in (("gauss", "gausslegendre"), ("midpoint", "riemann_middle"), ("trapezoid", "riemann_trapezoid")):
        found = IntegratedGradients(net).attribute(rows, baselines=0.3, target=2, n_steps=50, method=theirs)
        found *= 50 / 49 if rule == "trapezoid" else 1  # its weights for this rule sum to 49 / 50: not complete however fine the steps
        ours = integrated_gradients(sonde.Model(net), rows, of=Logit([2]), baseline=torch.full((5, 4), 0.3), steps=50, rule=rule)
        assert torch.allclose(ours.values, found.float(), atol=1e-5)


def test_a_homogeneous_network_from_zero_is_gradient_x_input():
    """ReLUs without biases: the slope is the same all along the way; the control, with biases, is not."""
    for bias in (False, True):
        net, rows = rectified(bias=bias)
        model = sonde.Model(net)
        whole = integrated_gradients(model, rows, of=Logit([0]), baseline="zero", tolerance=1e-4).values
        assert torch.allclose(whole, gradient_x_input(model, rows, of=Logit([0])).values, atol=1e-4) is not bias


def test_the_same_function_by_other_weights_gets_the_same_values():
    net, rows = rectified()
    other, _ = rectified()
    with torch.no_grad():
        for weight, by in zip(other.parameters(), (3, 3, 1 / 3, 1), strict=False):
            weight *= by
    assert torch.allclose(net(rows), other(rows), atol=1e-5)
    ours, again = (integrated_gradients(sonde.Model(m), rows, of=Logit([0]), baseline="mean").values for m in (net, other))
    assert torch.allclose(ours, again, atol=1e-4)


def test_several_baselines_are_averaged_and_their_spread_told():
    model, rows = table()
    weight = model.module[0].weight.detach()[0]
    result = integrated_gradients(model, rows, of=Logit([0]), baseline=["zero", torch.ones(5, 4), "mean"])
    parts = torch.stack([weight * rows, weight * (rows - 1), weight * (rows - rows.mean(0))])
    assert torch.allclose(result.values, parts.mean(0), atol=1e-5) and torch.allclose(result.spread, parts.std(0), atol=1e-5)
    assert result.residual.abs().max() < 1e-5 and "spread" in result.to_frame().columns
    assert result.absent == "zero; the values given; the mean of the examples"


def test_expected_gradients_of_a_linear_model_know_the_mean_of_the_background():
    model, rows = table()
    torch.manual_seed(1)
    background, weight = torch.randn(7, 4), model.module[0].weight.detach()
    result = expected_gradients(model, rows, of=LogitDifference([0], [1]), baseline=background, n=400)
    expected = (weight[0] - weight[1]) * (rows - background.mean(0))
    assert ((result.values - expected).abs() < 4.5 * result.error + 1e-5).all()
    assert torch.allclose(result.absent_metric.mean(), (model.module(background)[:, 0] - model.module(background)[:, 1]).mean(), atol=1e-5)
    one = expected_gradients(model, rows, of=Logit([0]), baseline=background[:1], n=3)
    assert torch.allclose(one.values, weight[0] * (rows - background[0]), atol=1e-5) and one.residual.abs().max() < 1e-5


def test_a_baseline_that_draws_gives_its_draws():
    class Twice(Baseline):
        draws = 2

        def described(self, question):
            return "zeros and ones"

        def values(self, question, example, present):
            assert present.shape == (1, 4) and not present.any()
            return torch.stack([torch.zeros(4), torch.ones(4)])[None]

    model, rows = table()
    weight = model.module[0].weight.detach()[0]
    result = integrated_gradients(model, rows, of=Logit([0]), baseline=Twice())
    assert torch.allclose(result.values, weight * (rows - 0.5), atol=1e-5) and result.absent == "zeros and ones"


def test_expected_gradients_come_near_completeness():
    net, rows = rectified(act=nn.Tanh)
    background = torch.randn(20, 4)
    few, many = (expected_gradients(sonde.Model(net), rows, of=Logit([0]), baseline=background, n=n).residual.abs().mean() for n in (10, 1000))
    assert many < 0.3 * few


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda m, r: integrated_gradients(m, r, of=Logit([0]), baseline="zero", steps=0), "steps=0: integrate over at least 1 point"),
        (lambda m, r: integrated_gradients(m, r, of=Logit([0]), baseline="zero", steps=1, rule="trapezoid"), "at least 2 points"),
        (lambda m, r: integrated_gradients(m, r, of=Logit([0]), baseline="zero", steps=4, rule="left"), "rule='left': use 'gauss'"),
        (lambda m, r: expected_gradients(m, r, of=Logit([0]), baseline=torch.zeros(4)), r"the background has shape \(4,\): give rows of ':in'"),
        (lambda m, r: expected_gradients(m, r, of=Logit([0]), baseline="zero", n=1), "n=1: draw at least 2 times"),
        (lambda m, r: expected_gradients(m, r, of=Logit([0]), baseline=torch.zeros(2, 3)), r"has shape \(3,\)"),
    ],
)
def test_refusals(call, message, unchecked):
    with pytest.raises(InputError, match=message):
        call(*table())
