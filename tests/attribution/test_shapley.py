"""Shapley values against the definition over all orders, the axioms that define them, and two peers."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import sonde
from sonde.attribution import exact_shapley, kernel_shap, lime, occlusion, permutation_shapley
from sonde.attribution.shapley.design import design
from sonde.attribution.shapley.exact import every, shares_of
from sonde.attribution.shapley.kernel import asked, solved
from sonde.results import InputError
from sonde.tasks import Logit, LogitDifference

ESTIMATORS = [kernel_shap, permutation_shapley]


class Game(nn.Module):
    """A network whose output is a function of the features as they are."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)[:, None]


def game(function):
    return sonde.Model(Game(function))


def tangled(n=6, seed=0):
    """A random smooth function with interactions of all orders."""
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(n, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1)).requires_grad_(False)
    for p in net.parameters():
        p.mul_(2.5)
    return lambda x: net(x)[:, 0]


def by_orders(function, n):
    """The definition, over all n! orders, from zeros to ones."""
    values = {bits: float(function(torch.tensor([bits], dtype=torch.float32))) for bits in itertools.product((0, 1), repeat=n)}
    total = np.zeros(n)
    for order in itertools.permutations(range(n)):
        here = [0] * n
        for i in order:
            before = values[tuple(here)]
            here[i] = 1
            total[i] += values[tuple(here)] - before
    return torch.tensor(total / math.factorial(n), dtype=torch.float32)


def ones(n):
    return torch.ones(1, n)


def exact(function, n, **options):
    return exact_shapley(game(function), ones(n), Logit(0), baseline="zero", **options).values[0]


@pytest.mark.parametrize("seed", range(2))
def test_all_coalitions_give_the_mean_over_all_orders(seed):
    function = tangled(6, seed)
    truth = by_orders(function, 6)
    assert torch.allclose(exact(function, 6), truth, atol=1e-5)
    assert truth.abs().max() > 0.1
    assert not torch.allclose(exact(tangled(6, seed + 10), 6), truth, atol=1e-1)  # another game has others


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
def test_kernel_shap_with_all_coalitions_is_exact(n):
    values = torch.randn(2**n, 2, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    chosen = design(n, 2 ** (n - 1) + 3, 0)
    sets = asked(chosen)
    assert len(sets) == 2**n and len(sets.unique(dim=0)) == 2**n
    phi, error = solved(chosen, values[(sets * 2 ** torch.arange(n)).sum(1)])
    truth = (shares_of(n) @ values).T
    assert (phi.double() - truth).abs().max() < 1e-6 and bool((error == 0).all())  # what is handed on is float32


@settings(max_examples=15)
@given(st.integers(2, 7), st.integers(0, 1000))
def test_the_regression_is_exact_to_double_precision(n, seed):
    from sonde.attribution.shapley.kernel import regressed

    values = torch.randn(2**n, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    chosen = design(n, 2 ** (n - 1), 0)
    at = (chosen.sets * 2 ** torch.arange(n)).sum(1)
    phi, _ = regressed(chosen, (values[at] - values[2**n - 1 - at]) / 2, values[-1] - values[0])
    assert torch.allclose(phi, shares_of(n) @ values, atol=1e-8, rtol=0)


@settings(max_examples=15)
@given(st.integers(2, 6), st.integers(0, 1000))
def test_the_axioms(n, seed):
    """Efficiency, dummy, symmetry and linearity, of the weights with which coalitions count."""
    generator = torch.Generator().manual_seed(seed)
    v, w = torch.randn(2, 2**n, generator=generator, dtype=torch.float64)
    weights, sets = shares_of(n), every(n)
    assert torch.allclose((weights @ v).sum(), v[-1] - v[0])
    without = torch.arange(2**n) & ~1
    assert torch.allclose((weights @ v[without])[0], torch.zeros((), dtype=torch.float64), atol=1e-12)  # player 0 never changes anything
    swapped = sets.clone()
    swapped[:, [0, 1]] = sets[:, [1, 0]]
    at = (swapped * 2 ** torch.arange(n)).sum(1)
    alike = weights @ (v + v[at])
    assert torch.allclose(alike[0], alike[1])
    assert torch.allclose(weights @ (2 * v - w), 2 * (weights @ v) - weights @ w)


@pytest.mark.parametrize("method", [exact_shapley, *ESTIMATORS])
def test_both_sides_of_an_exclusive_or_share(method):
    options = {} if method is exact_shapley else {"seed": 1}
    result = method(game(lambda x: x[:, 0] + x[:, 1] - 2 * x[:, 0] * x[:, 1] + 0 * x[:, 2]), ones(3), Logit(0), baseline="zero", **options)
    assert torch.allclose(result.values, torch.zeros(1, 3), atol=1e-6)
    assert occlusion(game(lambda x: x[:, 0] + x[:, 1] - 2 * x[:, 0] * x[:, 1]), ones(2), Logit(0), baseline="zero").values.tolist() == [[-1, -1]]
    one = method(game(lambda x: x[:, 0] + x[:, 1] - 2 * x[:, 0] * x[:, 1]), torch.tensor([[1.0, 0.0]]), Logit(0), baseline="zero", **options)
    assert torch.allclose(one.values, torch.tensor([[1.0, 0.0]]), atol=1e-6)


def test_of_an_additive_function_all_methods_agree():
    weight, rows, absent = torch.randn(4), torch.randn(3, 4), torch.randn(4)
    model = game(lambda x: x @ weight)
    expected = weight * (rows - absent)
    for method in (occlusion, exact_shapley, *ESTIMATORS):
        assert torch.allclose(method(model, rows, Logit(0), baseline=absent).values, expected, atol=1e-4), method
    fitted = lime(model, rows, Logit(0), baseline=absent, ridge=0)
    assert torch.allclose(fitted.values, expected, atol=1e-4) and bool((fitted.fit > 0.9999).all())
    gradient = sonde.attribution.gradient_x_input(model, rows - absent, Logit(0))
    assert torch.allclose(gradient.values, expected, atol=1e-5)


@pytest.mark.parametrize("method", ESTIMATORS)
def test_estimates_lie_within_their_errors_and_close_in(method):
    """Two standard errors hold most values; four times the work halves the error; both sum to what there is to share."""
    function, n = tangled(10, 3), 10
    truth = exact(function, n)
    amounts = ("samples", (64, 256)) if method is kernel_shap else ("orders", (8, 32))
    worst = []
    for amount in amounts[1]:
        runs = [method(game(function), ones(n), Logit(0), baseline="zero", seed=seed, **{amounts[0]: amount}) for seed in range(8)]
        left = torch.stack([run.values[0] - truth for run in runs])
        errors = torch.stack([run.error[0] for run in runs])
        assert float((left.abs() <= 2 * errors).float().mean()) > 0.75
        assert 0.4 < float((left**2).mean().sqrt() / (errors**2).mean().sqrt()) < 2
        assert all(run.residual.abs().max() < 1e-4 for run in runs)
        worst.append(float((left**2).mean().sqrt()))
    assert worst[1] < 0.75 * worst[0]


def test_orders_end_once_the_error_is_small():
    function = tangled(8, 1)
    result = permutation_shapley(game(function), ones(8), Logit(0), baseline="zero", orders=400, until_se=0.05)
    assert float(result.error.max()) <= 0.05 and not result.notes
    short = permutation_shapley(game(function), ones(8), Logit(0), baseline="zero", orders=8, until_se=1e-6)
    assert "not reached in 1 of 1 examples" in short.notes[0]


@pytest.mark.parametrize("method", [lime, *ESTIMATORS])
def test_the_seed_decides(method):
    model, rows = game(tangled(8)), torch.randn(2, 8)
    options = {"samples": 30} if method is not permutation_shapley else {"orders": 4}
    first, again, other = (method(model, rows, Logit(0), baseline="zero", seed=seed, **options).values for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.allclose(first, other, atol=1e-4)
    alone = method(model, rows[1:], Logit(0), baseline="zero", seed=0, **options).values
    assert torch.allclose(alone[0], first[1], atol=1e-5)


def test_a_design_asks_each_coalition_once_and_counts_every_size_in_full():
    for n, pairs in ((6, 12), (12, 255), (13, 300), (40, 200)):
        chosen = design(n, pairs, seed=n)
        both = asked(chosen)
        assert len(chosen.sets) == pairs and len(both.unique(dim=0)) == len(both)
        for size in range(1, n // 2 + 1):
            of_size = chosen.sets.sum(1) == size
            expected = (1 if 2 * size == n else 2) / (size * (n - size))
            count = math.comb(n, size) // (2 if 2 * size == n else 1)
            if int(of_size.sum()) == count:
                assert bool((chosen.left_out[of_size] == 0).all())
            if bool((chosen.left_out[of_size] == 0).all()) and of_size.any():
                assert float(chosen.weights[of_size].sum()) == pytest.approx(expected, rel=0.2)


def test_errors_at_equal_evaluations_are_not_above_those_of_a_peer():
    """A few games of the benchmark: the mean relative error against shap's, at two budgets."""
    shap = pytest.importorskip("shap")
    n, ours, theirs = 10, [], []
    for seed in range(6):
        function = tangled(n, seed)
        table = function(every(n).float()).double()
        truth = shares_of(n) @ table

        def ask(rows, table=table):
            return table[(torch.as_tensor(np.asarray(rows)) > 0.5).long() @ 2 ** torch.arange(n)].numpy()

        np.random.seed(seed)
        peer = shap.KernelExplainer(ask, np.zeros((1, n))).shap_values(np.ones((1, n)), nsamples=200, l1_reg=0, silent=True)[0]
        chosen = design(n, 99, seed)
        mine, _ = solved(chosen, table[asked(chosen).long() @ 2 ** torch.arange(n)][:, None])
        ours.append(float((mine[0] - truth).norm() / truth.norm()))
        theirs.append(float((torch.tensor(peer) - truth).norm() / truth.norm()))
    assert np.mean(ours) <= np.mean(theirs)


def test_captum_gives_the_same_shares():
    captum = pytest.importorskip("captum.attr")
    function, n = tangled(5), 5
    torch.manual_seed(0)
    sampled = captum.ShapleyValueSampling(lambda x: function(x)).attribute(ones(n), torch.zeros(1, n), n_samples=2000, perturbations_per_eval=500)
    assert torch.allclose(sampled[0].float(), exact(function, n), atol=0.03)
    ablated = captum.FeatureAblation(lambda x: function(x)).attribute(ones(n), torch.zeros(1, n))
    assert torch.allclose(ablated.float(), occlusion(game(function), ones(n), Logit(0), baseline="zero").values, atol=1e-5)


def test_groups_are_players():
    function = tangled(6)
    result = exact_shapley(game(function), ones(6), Logit(0), baseline="zero", players={"a": [0, 1, 2], "b": [3, 4, 5]})
    whole, a, b, none = (float(function(torch.tensor([bits]).float())) for bits in ([1] * 6, [1] * 3 + [0] * 3, [0] * 3 + [1] * 3, [0] * 6))
    assert result.names == ("a", "b") and result.values[0, 0] == pytest.approx((whole - b + a - none) / 2, abs=1e-5)


def test_a_metric_that_does_not_depend_on_the_input_is_told():
    for method in (occlusion, exact_shapley, kernel_shap, permutation_shapley, lime):
        result = method(game(lambda x: 0 * x[:, 0] + 3), ones(4), Logit(0), baseline="zero")
        assert result.values.abs().max() < 1e-20 and "may not depend on this input" in result.notes[0]
    balanced = exact_shapley(game(lambda x: x[:, 0] * x[:, 1] - x[:, 0] - x[:, 1] + 1), ones(2), Logit(0), baseline=torch.full((2,), 2.0))
    assert not any("may not depend" in note for note in balanced.notes)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: exact_shapley(m, ones(17), Logit(0), baseline="zero"), "17 parts have 131,072 coalitions.*group them with players="),
        (lambda m: kernel_shap(m, ones(8), Logit(0), baseline="zero", samples=17), "too few for 8 parts: give 18 or more"),
        (lambda m: lime(m, ones(8), Logit(0), baseline="zero", samples=9), "samples=9 are too few for 8 parts"),
        (lambda m: lime(m, ones(8), Logit(0), baseline="zero", width=0.0), "width=0.0"),
        (lambda m: permutation_shapley(m, ones(8), Logit(0), baseline="zero", orders=5), "orders=5: give an even number"),
        (lambda m: permutation_shapley(m, ones(8), Logit(0), baseline="zero", until_se=0.0), "until_se=0.0"),
        (lambda m: kernel_shap(m, ones(8), Logit(0), baseline=True), "baseline=True"),
        (lambda m: occlusion(m, ones(8), Logit(0), baseline="zero", players="words"), "made of tokens"),
        (lambda m: occlusion(m, ones(8), LogitDifference(0, 0), baseline="zero", window=2), "window=2 slides over pictures"),
        (lambda m: occlusion(m, ones(8), Logit(0), baseline="zero", stride=2), "stride=2 moves a window"),
    ],
)
def test_refusals(call, message, unchecked):
    with pytest.raises(InputError, match=message):
        call(game(lambda x: x.sum(1)))
