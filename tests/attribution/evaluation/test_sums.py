"""Infidelity, sensitivity-n and robust fidelity, against closed forms and by hand."""

from dataclasses import replace

import planted_tables as planted
import pytest
import torch
from torch import nn

import sonde
from sonde.attribution.evaluation import curves, robust_fidelity, sums
from sonde.results import InputError
from sonde.results import Result as AnyResult

WEIGHTS = [3.0, -1.0, 0.5, 2.0, 0.0, 1.0]


class Exclusive(nn.Module):
    """1 where exactly one of two columns is 1."""

    def forward(self, rows):
        both = rows[:, 0] * rows[:, 1]
        return torch.stack([rows[:, 0] + rows[:, 1] - 2 * both, both], -1)


def test_a_linear_model_adds_up():
    model, rows = planted.linear(WEIGHTS)
    found = sums(model, rows, planted.true(model, rows), planted.OF, removal="zero")
    assert torch.allclose(found.infidelity, torch.zeros(12), atol=1e-8) and torch.allclose(found.scale, torch.ones(12), atol=1e-4)
    assert torch.allclose(found.sensitivity_n, torch.ones(12, 5, dtype=torch.float64), atol=1e-5)
    assert bool((found.shuffled_infidelity > 0.1).all())
    assert found.check(model)[0].holds


def test_values_of_another_scale_are_told_by_the_factor():
    model, rows = planted.linear(WEIGHTS)
    twice = replace(planted.true(model, rows), values=2 * planted.true(model, rows).values)
    found = sums(model, rows, twice, planted.OF, removal="zero")
    assert torch.allclose(found.scale, torch.full((12,), 0.5), atol=1e-5) and torch.allclose(found.scaled, torch.zeros(12), atol=1e-8)
    once = sums(model, rows, planted.true(model, rows), planted.OF, removal="zero")
    assert torch.allclose(found.infidelity, once.claimed.square().flatten(1).mean(-1), atol=1e-4)  # (2c - c)^2


def test_shuffled_values_do_not_hold():
    model, rows = planted.linear(WEIGHTS)
    true = planted.true(model, rows)
    held = 0
    for seed in range(20):
        order = torch.stack([torch.randperm(6, generator=torch.Generator().manual_seed(100 * seed + i)) for i in range(12)])
        made_up = replace(true, values=true.values.gather(1, order))
        held += bool(sums(model, rows, made_up, planted.OF, removal="zero", sets=6, seed=seed).check(model)[0].holds)
    assert held <= 1  # of 20, 5 %


def test_exclusive_or_has_an_infidelity_by_hand():
    """At (1, 1) the metric is 0; each place alone is worth -1, both together 0, so that no two values serve all three sets."""
    model, rows = sonde.Model(Exclusive()), torch.ones(2, 2)
    base = planted.true(model, rows)
    alone = replace(base, values=torch.full((2, 2), -1.0))
    found = sums(model, rows, alone, planted.OF, removal="zero", shares=(0.5, 1.0), sets=3)
    assert torch.equal(found.measured, torch.tensor([[-1.0] * 3, [0.0] * 3]).expand(2, -1, -1))
    assert found.infidelity.tolist() == [2.0, 2.0]  # 0 for single places, (-2 - 0)^2 for both, the mean
    assert found.check(model)[0].holds is None  # nothing varies among sets of one size


def test_plain_fidelity_is_removal_at_once():
    model, rows = planted.linear(WEIGHTS)
    true = planted.true(model, rows)
    plain = robust_fidelity(model, rows, true, planted.OF, removal="zero", alpha1=1.0, alpha2=0.0, share=0.2, samples=2)
    contributions = (rows * torch.tensor(WEIGHTS)).sort(descending=True).values
    assert torch.allclose(plain.plus, contributions[:, 0], atol=1e-5)
    assert torch.allclose(plain.minus, contributions[:, 1:].sum(-1), atol=1e-5)
    curve = curves(model, rows, true, planted.OF, removal="zero", orders=1)
    assert torch.allclose(plain.plus, curve.deletion[:, 0] - curve.deletion[:, 2], atol=1e-5)
    assert torch.allclose(plain.minus, curve.deletion[:, 0] - curve.insertion[:, 2], atol=1e-5)
    assert torch.equal(plain.plus_error, torch.zeros(12)) and torch.equal(plain.delta, plain.plus - plain.minus)


def test_robust_fidelity_is_its_expectation():
    """Of an additive model each place is lost with its own chance."""
    model, rows = planted.linear(WEIGHTS)
    found = robust_fidelity(model, rows, planted.true(model, rows), planted.OF, removal="zero", alpha1=0.3, alpha2=0.8, share=0.5, samples=400)
    contributions = (rows * torch.tensor(WEIGHTS)).sort(descending=True).values
    for measured, error, expected in (
        (found.plus, found.plus_error, 0.3 * contributions[:, :3].sum(-1)),
        (found.minus, found.minus_error, 0.2 * contributions[:, 3:].sum(-1)),
    ):
        assert bool(((measured - expected).abs() <= 4 * error + 1e-5).all()) and bool((error > 0).all())
    assert found.check(model)[0].holds


def test_robust_fidelity_orders_damaged_explanations():
    """The more of the true explanation is exchanged for foreign places, the lower; the paper's own test, on a picture's left half."""
    model, pictures = planted.left_half()
    true = planted.true(model, pictures)
    deltas = []
    for damage in (0, 4, 9, 14, 18):
        values = torch.zeros(36)
        values[torch.arange(36) % 6 < 3] = 1.0  # the left half
        left, right = (values == 1).nonzero()[:, 0], (values == 0).nonzero()[:, 0]
        values[left[:damage]], values[right[:damage]] = 0.0, 1.0
        damaged = replace(true, values=values.view(1, 1, 6, 6).expand(12, 1, 6, 6))
        deltas.append(float(robust_fidelity(model, pictures, damaged, planted.OF, removal="zero", share=0.5, samples=20, orders=1).delta.mean()))
    assert deltas == sorted(deltas, reverse=True) and deltas[0] > 0 > deltas[-1]


def test_made_up_explanations_do_not_hold():
    model, rows = planted.linear(WEIGHTS)
    assert robust_fidelity(model, rows, planted.inverted(model, rows), planted.OF, removal="zero", samples=20).check(model)[0].holds is False
    assert robust_fidelity(model, rows, planted.random(model, rows), planted.OF, removal="zero", samples=20).check(model)[0].holds is False


def test_refusals_and_keeping(tmp_path, unchecked):
    model, rows = planted.linear(WEIGHTS)
    true = planted.true(model, rows)
    with pytest.raises(InputError, match=r"alpha1=1\.5"):
        robust_fidelity(model, rows, true, planted.OF, alpha1=1.5)
    with pytest.raises(InputError, match="at least 3 sets"):
        sums(model, rows, true, planted.OF, sets=1)
    with pytest.raises(InputError, match="are in shares of attention, and claim no share of the metric"):
        sums(model, rows, replace(true, own_unit="shares of attention"), planted.OF)
    one, rest = planted.linear([1.0])
    with pytest.raises(InputError, match="an explanation and a rest need two"):
        robust_fidelity(one, rest, planted.true(one, rest), planted.OF)
    for found in (sums(model, rows, true, planted.OF), robust_fidelity(model, rows, true, planted.OF, samples=3)):
        back = AnyResult.load(found.save(tmp_path / type(found).__name__))
        assert back.to_frame().equals(found.to_frame()) and back.check(model) == found.check(model)
        assert "what other examples hold" in found.drawing().note
