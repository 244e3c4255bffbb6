"""Against the truth: closed forms, and models that were trained again without an example."""

import pytest
import torch
from influence.explicit import flat, gradients
from tiny_models import bare
from torch import nn

from sonde.evidence.ranks import spearman
from sonde.influence import CrossEntropy, NextToken, SquaredError, averaged, conjugate_gradients, exact, fit, gradient_cosine, nearest, tracin
from sonde.influence.conjugate import gauss_newton_product
from sonde.influence.fit import subject_of
from sonde.results import InputError, SondeError

RIDGE = 0.01
N, QUERIES, CLASSES = 120, 15, 3


def ridge():
    """Least squares with a ridge: the solution in closed form, as a network."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(30, 4, generator=generator, dtype=torch.float64), torch.randn(30, 1, generator=generator, dtype=torch.float64)

    def solved(weights):
        H = x.T @ (weights[:, None] * x) / 30 + RIDGE * torch.eye(4, dtype=torch.float64)
        return torch.linalg.solve(H, x.T @ (weights[:, None] * y) / 30)

    network = nn.Linear(4, 1, bias=False).double()
    with torch.no_grad():
        network.weight.copy_(solved(torch.ones(30)).T)
    return network, x, y, solved


def test_leaving_out_of_least_squares_is_the_closed_form():
    network, x, y, solved = ridge()
    asked = torch.randn(5, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    found = exact(network, (x, y), SquaredError(), damping=RIDGE)
    steps = found.leave_one_out((asked, torch.zeros(5, 1)), of=lambda module, batch: module(batch[0])[:, 0])
    for i in range(30):
        without = torch.ones(30)
        without[i] = 0
        changed = (asked @ (solved(without) - solved(torch.ones(30))))[:, 0]
        torch.testing.assert_close(steps.removal[:, i], changed, rtol=1e-10, atol=1e-12)
    # the control: without the leverage it is not
    plain = found.scores((asked, torch.zeros(5, 1)), of=lambda module, batch: module(batch[0])[:, 0])
    assert not torch.allclose(plain.removal, steps.removal, rtol=1e-2)


@pytest.fixture(scope="module")
def digits():
    """Softmax regression on digits that scikit-learn brings along, at its minimum; and every one trained again without an example."""
    from sklearn.datasets import load_digits

    data = load_digits(n_class=CLASSES)
    order = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(0))[: N + QUERIES]
    # every second row and column: 16 pixels are enough, and the matrices stay small
    x = torch.tensor(data.images / 16)[order][:, ::2, ::2].flatten(1)
    y = torch.tensor(data.target)[order]
    truth = [minimum(x[:N], y[:N], torch.ones(N))]
    for i in range(N):
        weights = torch.ones(N)
        weights[i] = 0
        truth.append(minimum(x[:N], y[:N], weights, truth[0]))
    network = nn.Linear(16, CLASSES).double()
    with torch.no_grad():
        network.weight.copy_(truth[0][:, :-1])
        network.bias.copy_(truth[0][:, -1])
    losses = torch.stack([loss(theta, x[N:], y[N:]) for theta in truth])
    return network, (x[:N], y[:N]), (x[N:], y[N:]), (losses[1:] - losses[0]).T


def with_one(x):
    return torch.cat([x, x.new_ones(len(x), 1)], 1)


def loss(theta, x, y):
    return nn.functional.cross_entropy(with_one(x) @ theta.T, y, reduction="none")


def minimum(x, y, weights, start=None):
    """Newton's method."""
    a = with_one(x)
    P = CLASSES * a.shape[1]
    theta = torch.zeros(CLASSES, a.shape[1], dtype=torch.float64) if start is None else start.clone()
    for _ in range(20):
        p = (a @ theta.T).softmax(1)
        g = ((p - nn.functional.one_hot(y, CLASSES)) * weights[:, None]).T @ a / len(x) + RIDGE * theta
        if g.abs().max() < 1e-12:
            break
        B = (torch.diag_embed(p) - p[:, :, None] * p[:, None]) * weights[:, None, None]
        H = torch.einsum("ncd,ni,nj->cidj", B, a, a).reshape(P, P) / len(x) + RIDGE * torch.eye(P, dtype=torch.float64)
        theta = theta - torch.linalg.solve(H, g.flatten()).view_as(theta)
    return theta


def correlation(found, truth):
    return float(torch.stack([torch.corrcoef(torch.stack([f, t]))[0, 1] for f, t in zip(found, truth, strict=True)]).mean())


def test_every_leave_one_out_of_softmax_regression(digits):
    network, train, queries, truth = digits
    found = exact(network, train, CrossEntropy(), damping=RIDGE)
    scores, steps = found.scores(queries), found.leave_one_out(queries)
    # to first order in 1 / n, and n is small here; the Newton step is of second order
    first, second = correlation(scores.values, truth), correlation(steps.removal, truth)
    assert first > 0.99 and second > 0.999 and second > first
    assert (steps.removal - truth).abs().max() < (scores.removal - truth).abs().max()
    # sign and unit: taking away a thousandth of an example does a thousandth of tau / n
    (x, y), (asked, answers) = train, queries
    for i in (0, 7, 50):
        weights = torch.ones(N, dtype=torch.float64)
        weights[i] -= 1e-3
        moved = loss(minimum(x, y, weights), asked, answers) - loss(minimum(x, y, torch.ones(N)), asked, answers)
        torch.testing.assert_close(scores.removal[:, i], moved * 1e3, rtol=0.01, atol=1e-6)
    # of a model that is linear in its weights the Hessian is the Gauss-Newton matrix
    hessian = exact(network, train, CrossEntropy(), "hessian", damping=RIDGE)
    torch.testing.assert_close(hessian.matrix, found.matrix, rtol=1e-8, atol=1e-10)
    ranks = spearman(fit(network, train, CrossEntropy(), damping=RIDGE).scores(queries).values, truth).mean()
    dots = spearman(fit(network, train, CrossEntropy(), "identity").scores(queries).values, truth).mean()
    near = spearman(nearest(network, train, queries, ":out", CrossEntropy()).values.to(truth), truth).mean()
    chance = spearman(scores.values[:, torch.randperm(N, generator=torch.Generator().manual_seed(3))], truth).mean()
    assert ranks > max(dots, near) and abs(float(chance)) < 0.25


def test_wrong_labels_bear_most_on_themselves(digits):
    _, (x, y), _, _ = digits
    generator = torch.Generator().manual_seed(4)
    wrong = torch.randperm(N, generator=generator)[:12]
    labels = y.clone()
    labels[wrong] = (labels[wrong] + 1) % CLASSES
    theta = minimum(x, labels, torch.ones(N))
    other = nn.Linear(16, CLASSES).double()
    with torch.no_grad():
        other.weight.copy_(theta[:, :-1])
        other.bias.copy_(theta[:, -1])
    own = fit(other, (x, labels), CrossEntropy()).self_influence()
    first = {i for i, _ in own.most(24)}
    assert len(first & set(wrong.tolist())) >= 10
    # the control: any other twelve are found no more often than chance has it
    others = [i for i in torch.randperm(N, generator=generator).tolist() if i not in wrong][:12]
    assert len(first & set(others)) <= 6


def test_conjugate_gradients_are_the_direct_solve():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 3)).double()
    x, y = torch.randn(20, 4, dtype=torch.float64), torch.randint(3, (20,))
    direct = exact(network, (x, y), CrossEntropy(), damping=0.05)
    found = conjugate_gradients(network, (x, y), CrossEntropy(), damping=0.05, tolerance=1e-12)
    torch.testing.assert_close(found.scores((x[:3], y[:3])).values, direct.scores((x[:3], y[:3])).values, rtol=1e-7, atol=1e-9)
    with pytest.raises(SondeError, match="after 2 iterations"):
        conjugate_gradients(network, (x, y), CrossEntropy(), damping=1e-6, iterations=2).scores((x[:1], y[:1]))
    # the matrix itself against gradients formed in full
    p = network(x).softmax(-1).detach()
    labels = [torch.full((20,), c) for c in range(3)]
    every = [flat(gradients(network, ["0", "2"], nn.functional.cross_entropy(network(x), c, reduction="none"))) for c in labels]
    H = sum((p[:, c, None] * g).T @ g for c, g in enumerate(every)) / 20
    torch.testing.assert_close(direct.matrix, H + 0.05 * torch.eye(len(H), dtype=torch.float64), rtol=1e-8, atol=1e-10)


def test_products_of_a_language_model_are_those_of_many_drawn_labels():
    model, rows = bare("native").double(), [[3, 1, 4], [1, 5, 9, 2]]
    subject = subject_of(model, rows, NextToken(), modules="blocks.1.mlp")
    v = torch.randn(subject.coverage.weights, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(gauss_newton_product(subject, 2 * v), 2 * gauss_newton_product(subject, v))
    drawn = fit(model, rows, NextToken(), "diagonal", modules="blocks.1.mlp", labels="sampled", draws=100).curvature.spectra
    trace = sum(float(s.values.sum()) for s in drawn.values())
    probes = [torch.randint(2, v.shape, generator=torch.Generator().manual_seed(i)).double() * 2 - 1 for i in range(40)]
    assert sum(float(u @ gauss_newton_product(subject, u)) for u in probes) / 40 == pytest.approx(trace, rel=0.25)


def test_other_estimators(digits):
    network, train, queries, _ = digits
    dots = fit(network, train, CrossEntropy(), "identity").scores(queries)
    state = network.state_dict()
    traced = tracin(network, [(state, 0.1), (state, 0.3)], train, queries, CrossEntropy())
    torch.testing.assert_close(traced.values, 0.4 * dots.values, rtol=1e-8, atol=1e-12)
    cosine = gradient_cosine(network, train, train, CrossEntropy())
    torch.testing.assert_close(cosine.values.diagonal(), torch.ones(N, dtype=torch.float64), rtol=1e-6, atol=1e-8)
    assert cosine.values.abs().max() < 1 + 1e-6
    torch.testing.assert_close(averaged([dots, traced]).values, 0.7 * dots.values, rtol=1e-8, atol=1e-12)
    for call, words in (
        (lambda: averaged([]), "needs scores"),
        (lambda: averaged([dots, cosine]), "different queries"),
        (lambda: tracin(network, [], train, queries, CrossEntropy()), "there is none"),
        (lambda: tracin(network, [({"weight": torch.ones(2)}, 1.0)], train, queries, CrossEntropy()), "checkpoint 0 does not fit"),
        (lambda: exact(network, train, CrossEntropy(), "fisher"), "kind='fisher'"),
        (lambda: exact(network, train, lambda m, b: m(b[0]).sum(1)), "no Gauss-Newton matrix"),
        (lambda: conjugate_gradients(network, train, CrossEntropy(), damping=0), "above zero"),
    ):
        with pytest.raises(InputError, match=words):
            call()


def test_in_float64_on_a_copy():
    torch.manual_seed(0)
    network, x, y = nn.Linear(4, 3), torch.randn(20, 4), torch.randint(3, (20,))
    found = exact(network, (x, y), CrossEntropy(), damping=0.01, dtype=torch.float64)
    truth = exact(nn.Linear(4, 3).double(), (x.double(), y), CrossEntropy(), damping=0.01)
    assert network.weight.dtype == torch.float32 and found.matrix.shape == truth.matrix.shape
    assert found.scores((x[:2], y[:2])).values.dtype == torch.float64
