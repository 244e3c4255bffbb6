"""Gradients against closed forms, captum and each other."""

import pytest
import torch
from attribution.nets import convnet, rectified, table
from small_models import words
from torch import nn

import sonde
from sonde.attribution import gradient, gradient_x_input, smooth_grad
from sonde.results import InputError
from sonde.tasks import Logit, LogitDifference


def test_a_linear_model_has_the_same_slope_everywhere():
    model, rows = table()
    weight = model.module[0].weight.detach()
    expected = weight[[0, 1, 2, 0, 1]] - weight[[1, 2, 0, 2, 0]]
    metric = LogitDifference([0, 1, 2, 0, 1], [1, 2, 0, 2, 0])
    assert torch.allclose(gradient(model, rows, of=metric).values, expected, atol=1e-6)
    for noise in (0.1, 2.0):
        smooth = smooth_grad(model, rows, of=metric, n=5, noise=noise)
        assert torch.allclose(smooth.values, expected, atol=1e-5) and smooth.error.max() < 1e-5
    assert torch.allclose(smooth_grad(model, rows, of=metric, kind="squared", n=3).values, expected**2, atol=1e-5)
    assert smooth_grad(model, rows, of=metric, kind="variance", n=3).values.abs().max() < 1e-10


def test_norms():
    net, pictures = convnet()
    model = sonde.Model(net)
    signed = gradient(model, pictures, of=Logit([1]))
    l1, l2 = (gradient(model, pictures, of=Logit([1]), norm=norm) for norm in ("l1", "l2"))
    assert signed.axes == ("channel", "row", "col") and l1.axes == l2.axes == ("row", "col")
    assert torch.allclose(l1.values, signed.values.abs().sum(1)) and torch.allclose(l2.values, signed.values.norm(dim=1), atol=1e-6)
    assert "unsigned" in l2.method and "unsigned" not in signed.method and l2.drawing().kind
    tokens = gradient(words(), "The keys on the cabinet", of=Logit(5))
    slope = words().grad("The keys on the cabinet", of=Logit(5), at="embed")["embed"]
    assert torch.allclose(tokens.values, slope.norm(dim=-1), atol=1e-5)


def test_the_slope_of_a_vector_has_no_sign():
    """Behind a LayerNorm nothing changes when a constant is added to a token's vector: the sum of the slopes is 0 whatever the token does."""
    slope = words().grad("The keys on the cabinet", of=Logit(5), at="blocks.0.resid_pre")["blocks.0.resid_pre"]
    assert slope.sum(-1).abs().max() < 1e-3 * slope.norm(dim=-1).max()
    assert (gradient(words(), "The keys on the cabinet", of=Logit(5)).values >= 0).all()


@pytest.mark.parametrize("noise", [0.05, 0.3])
def test_smooth_grad_is_captums(noise):
    """The same noise, so the same numbers; captum's deviation is absolute, ours a share of the range."""
    from captum.attr import NoiseTunnel, Saliency

    net, rows = rectified(act=nn.Tanh)
    spread = noise * (rows[0].max() - rows[0].min())
    for kind, theirs in (("mean", "smoothgrad"), ("squared", "smoothgrad_sq"), ("variance", "vargrad")):
        ours = smooth_grad(sonde.Model(net), rows[:1], of=Logit([1]), kind=kind, n=4000, noise=noise)
        torch.manual_seed(0)
        tunnel = NoiseTunnel(Saliency(net))
        found = tunnel.attribute(rows[:1], nt_type=theirs, nt_samples=4000, stdevs=float(spread), target=1, abs=False)
        assert ((ours.values - found).abs() <= 8 * ours.error + 1e-6).all(), kind  # both are draws
        assert (ours.error > 0).all() and (ours.error < 0.1 * ours.values.abs().max()).all()


def test_the_standard_error_is_that_of_repeated_draws():
    net, rows = rectified(act=nn.Tanh)
    for kind in ("mean", "squared", "variance"):
        runs = [smooth_grad(sonde.Model(net), rows[:1], of=Logit([0]), kind=kind, n=30, noise=0.5, seed=seed) for seed in range(25)]
        spread, told = torch.stack([run.values for run in runs]).std(0), torch.stack([run.error for run in runs]).mean(0)
        assert (0.5 * spread < told).all() and (told < 2 * spread).all(), kind


def test_an_example_is_smoothed_as_it_would_be_alone():
    model, metric = words(), LogitDifference(100, 101)
    prompts = ["The keys on the cabinet", "The dog", "When Mary went to the shop, John"]
    whole = smooth_grad(model, prompts, of=metric, n=4)
    for i, prompt in enumerate(prompts):
        alone = smooth_grad(model, prompt, of=metric, n=4)
        n = len(alone.tokens[0])
        assert torch.allclose(whole.values[i, :n], alone.values[0], rtol=1e-3, atol=1e-4)
        assert whole.values[i, n:].isnan().all() and whole.error[i, n:].isnan().all()
    plain = smooth_grad(model, prompts, of=lambda run: metric(run), n=4)
    assert torch.isfinite(plain.values[0][: len(plain.tokens[0])]).all()


def test_swapping_target_and_foil_turns_the_sign_and_equal_effects_cancel():
    model, rows = table()
    for method in (gradient, gradient_x_input):
        there, back = (method(model, rows, of=LogitDifference(*ends)).values for ends in (([0], [1]), ([1], [0])))
        assert torch.allclose(there, -back)
    with torch.no_grad():
        model.module[0].weight[1, 2] = model.module[0].weight[0, 2]
    equal = Logit([0]), LogitDifference([0], [1])
    alone, contrast = (gradient_x_input(model, rows, of=metric).values[:, 2] for metric in equal)
    assert contrast.abs().max() == 0 and alone.abs().min() > 0


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda model, rows: gradient(model, rows, of=Logit([0]), norm="l3"), "norm='l3': use 'l1', 'l2' or None"),
        (lambda model, rows: smooth_grad(model, rows, of=Logit([0]), kind="median"), "kind='median': use 'mean', 'squared' or 'variance'"),
        (lambda model, rows: smooth_grad(model, rows, of=Logit([0]), n=1), "n=1, noise=0.15: draw at least 2 copies"),
        (lambda model, rows: smooth_grad(model, rows, of=Logit([0]), noise=0.0), "with a positive share of noise"),
        (lambda model, rows: gradient(model, rows), "say what is to be explained"),
        (lambda model, rows: gradient(model, rows, of=lambda run: torch.ones(5)), "the metric does not depend on :in by any differentiable path"),
    ],
)
def test_refusals(call, message, unchecked):
    with pytest.raises(InputError, match=message):
        call(*table())
