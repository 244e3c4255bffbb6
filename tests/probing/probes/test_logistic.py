"""Logistic probes: the same answer as scikit-learn's and as the conditions of the optimum; awkward features, classes that are missing, precision."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.probing.probes import Logistic, bits, fit_logistic, logistic_path
from sonde.results import InputError


def planted(n: int = 600, d: int = 12, k: int = 4, seed: int = 21, strength: float = 1.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Activations of very unequal spreads and far from zero, with one mean for each class."""
    draw = torch.Generator().manual_seed(seed)
    y = torch.randint(k, (n,), generator=draw)
    x = torch.randn(n, d, generator=draw) + strength * torch.randn(k, d, generator=draw)[y]
    turned = torch.linalg.qr(torch.randn(d, d, generator=draw))[0]
    return (x * torch.arange(1, d + 1) ** -1.5) @ turned + 5 * torch.randn(d, generator=draw), y


def gradient(probe_weight: torch.Tensor, probe_bias: torch.Tensor, x: torch.Tensor, y: torch.Tensor, C: float) -> torch.Tensor:
    """The slope of the objective by autograd, from its definition, at the weights of standardised features."""
    mean, deviation = x.mean(0), x.std(0, correction=0)
    weight = (probe_weight * deviation).requires_grad_()
    bias = (probe_bias + probe_weight @ mean).requires_grad_()
    z = (x - mean) / deviation
    loss = torch.nn.functional.cross_entropy(z @ weight.T + bias, y) + weight.square().sum() / (2 * C * len(x))
    loss.backward()
    return torch.cat([weight.grad.flatten(), bias.grad])


@pytest.mark.parametrize("C", [0.01, 1.0, 100.0])
def test_the_slope_vanishes_where_it_ends(C: float) -> None:
    x, y = planted()
    probe = fit_logistic(x.double(), y, C=C, tol=1e-7)
    found = gradient(probe.weight, probe.bias, x.double(), y, C)
    assert float(found.abs().max()) < 2e-7
    assert probe.converged
    # elsewhere it does not
    assert float(gradient(probe.weight * 1.1, probe.bias, x.double(), y, C).abs().max()) > 1e-5


@pytest.mark.parametrize(("k", "C"), [(4, 0.5), (2, 0.25)])  # of two classes it penalises one vector of weights, not two of half its length
def test_says_the_same_as_scikit_learn(k: int, C: float) -> None:
    from sklearn.linear_model import LogisticRegression

    x, y = planted(k=k)
    probe = fit_logistic(x, y, C=C, tol=1e-6)
    z = ((x - x.mean(0)) / x.std(0, correction=0)).double().numpy()
    peer = LogisticRegression(C=0.5, tol=1e-8, max_iter=1000).fit(z, y.numpy())
    torch.testing.assert_close(probe.log_prob(x).double(), torch.from_numpy(peer.predict_log_proba(z)), atol=2e-4, rtol=0)


def test_needs_few_passes_where_features_are_unequal() -> None:
    """The point of the preconditioner: plain L-BFGS of the same objective needs several times as many."""
    from sklearn.linear_model import LogisticRegression

    x, y = planted(n=2000, d=60, strength=0.5)
    turned = x @ torch.linalg.qr(torch.randn(60, 60, generator=torch.Generator().manual_seed(5)))[0]
    probe = fit_logistic(turned, y, tol=1e-5)
    z = ((turned - turned.mean(0)) / turned.std(0, correction=0)).double().numpy()
    peer = LogisticRegression(tol=1e-5, max_iter=5000).fit(z, y.numpy())
    assert probe.converged
    assert probe.iterations * 3 < peer.n_iter_[0]


def test_a_first_search_on_some_rows_leaves_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    from sonde.probing.probes import logistic

    x, y = planted()
    plain = fit_logistic(x, y, tol=1e-6)
    monkeypatch.setattr(logistic, "FIRST", 100)
    monkeypatch.setattr(logistic, "SAMPLE", 50)
    torch.testing.assert_close(fit_logistic(x, y, tol=1e-6).log_prob(x), plain.log_prob(x), atol=1e-3, rtol=0)


def test_a_path_ends_where_each_fit_alone_would() -> None:
    x, y = planted()
    for probe, C in zip(logistic_path(x, y, Cs=(0.01, 1.0), tol=1e-6), (0.01, 1.0), strict=True):
        torch.testing.assert_close(probe.log_prob(x), fit_logistic(x, y, C=C, tol=1e-6).log_prob(x), atol=1e-3, rtol=0)


@settings(max_examples=12)
@given(scale=st.floats(-3, 3), shift=st.floats(-100, 100), seed=st.integers(0, 5))
def test_units_of_the_activations_do_not_matter(scale: float, shift: float, seed: int) -> None:
    x, y = planted(n=100, d=4, seed=seed)
    x = x.double()
    moved = x * 10**scale + shift
    torch.testing.assert_close(fit_logistic(moved, y, tol=1e-8).log_prob(moved), fit_logistic(x, y, tol=1e-8).log_prob(x), atol=1e-4, rtol=0)


def test_a_mean_far_from_zero_does_not_drown_the_signal() -> None:
    x, y = planted()
    far = x.clone()
    far[:, 0] += 3000  # as in a trained residual stream
    assert float((fit_logistic(far, y).predict(far) == y).float().mean()) == pytest.approx(
        float((fit_logistic(x, y).predict(x) == y).float().mean()), abs=0.01
    )


def test_a_feature_that_never_changes_counts_for_nothing() -> None:
    x, y = planted()
    x[:, 3] = 7.0
    probe = fit_logistic(x, y)
    assert probe.weight[:, 3].abs().max() < 1e-6
    assert probe.log_prob(x).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_read_as_it_is(dtype: torch.dtype) -> None:
    x, y = planted()
    torch.testing.assert_close(fit_logistic(x.to(dtype), y).weight, fit_logistic(x.to(dtype).float(), y).weight)


def test_a_class_that_was_never_seen_has_no_chance_but_a_finite_price() -> None:
    x, y = planted(k=3)
    y = torch.where(y == 1, 3, y)  # classes 0, 2, 3 of 5
    probe = fit_logistic(x, y, n_classes=5)
    assert set(probe.predict(x).tolist()) <= {0, 2, 3}
    assert torch.isneginf(probe.log_prob(x)[:, [1, 4]]).all()
    torch.testing.assert_close(probe.log_prob(x).exp().sum(1), torch.ones(len(x)))
    price = bits(probe, x[:1], torch.tensor([4]))
    assert price.item() == pytest.approx(float(torch.tensor(5.0 * (len(x) + 1)).log2()))


def test_bits_are_those_of_the_probabilities() -> None:
    x, y = planted()
    probe = fit_logistic(x, y)
    nats = torch.nn.functional.cross_entropy(probe.scores(x), y)
    assert float(bits(probe, x, y).mean()) == pytest.approx(float(nats) / 0.693147, abs=0.01)


def test_two_classes_have_one_direction() -> None:
    x, y = planted(k=2)
    probe = fit_logistic(x, y)
    assert probe.directions.shape == (1, 12)
    line = probe.subspace()
    side = line.encode(x)[:, 0]
    # the coordinate alone orders the examples as the probe does
    order = (probe.scores(x)[:, 1] - probe.scores(x)[:, 0]).argsort()
    assert torch.equal(side.argsort(), order)


def test_the_subspace_holds_all_that_is_read() -> None:
    x, y = planted(k=4)
    probe = fit_logistic(x, y)
    space = probe.subspace()
    assert space.size == 3
    left = x - space.decode(space.encode(x))
    said = probe.log_prob(left)
    torch.testing.assert_close(said, said[:1].expand_as(said), atol=1e-4, rtol=0)


def test_the_penalty_is_chosen_where_it_was_not_fitted() -> None:
    """Few examples of many features: a weak penalty fits the training examples and nothing else."""
    x, y = planted(n=60, d=40, k=2, strength=0.4)
    weak = Logistic(Cs=(1e4,)).fit((x[:40], y[:40]), (x[40:], y[40:]), 2)
    chosen = Logistic().fit((x[:40], y[:40]), (x[40:], y[40:]), 2)
    assert float(bits(chosen, x[40:], y[40:]).mean()) < float(bits(weak, x[40:], y[40:]).mean())
    assert chosen.penalty > weak.penalty


@pytest.mark.parametrize(
    ("labels", "said"),
    [([0, 0, 0], "one class"), ([0, -1, 1], "class -1"), ([0.0, 1.0, 0.5], "probe with ridge"), ([0, 1], "one label for each row")],
)
@pytest.mark.usefixtures("unchecked")
def test_bad_labels_are_refused(labels: list[float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        fit_logistic(torch.randn(3, 2), torch.tensor(labels))


@pytest.mark.usefixtures("unchecked")
def test_bad_input_is_refused() -> None:
    x, y = torch.randn(4, 2), torch.tensor([0, 1, 0, 1])
    with pytest.raises(InputError, match="1 of 4 rows of activations are not finite"):
        fit_logistic(torch.where(torch.arange(4)[:, None] == 2, torch.nan, x), y)
    with pytest.raises(InputError, match="C=0"):
        fit_logistic(x, y, C=0.0)
    with pytest.raises(InputError, match="class 1 of 1"):
        fit_logistic(x, y, n_classes=1)
    with pytest.raises(InputError, match="take probe='ridge'"):
        Logistic().fit((x, y.float()), (x, y.float()), 0)
