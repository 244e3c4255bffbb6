"""The curvature of a block against matrices formed in full; and that nothing in it depends on what it must not depend on."""

from dataclasses import replace

import pytest
import torch
from influence.explicit import flat, gradients
from tiny_encoders import build
from tiny_models import bare
from torch import nn

from sonde.influence import Absolute, CrossEntropy, Curvature, Factored, NextToken, Relative, SquaredError, fit, plan
from sonde.influence import statistics as pass_statistics
from sonde.results import InputError, LoadError, SondeError

CLOSE = {"rtol": 1e-8, "atol": 1e-11}
ROWS = [[3, 1, 4, 1, 5, 9], [2, 6], [5, 3, 5], [8, 9, 7, 9], [3, 2, 3, 8, 4], [6, 2, 6]]


@pytest.fixture(scope="module")
def classifier():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    return network, torch.randn(30, 4, dtype=torch.float64), torch.randint(3, (30,))


def class_gradients(network, x, classes=3):
    """Each example's gradients for every class, with the probability of the class."""
    p = network(x).softmax(-1).detach()
    every = [
        gradients(network, ["0", "2"], nn.functional.cross_entropy(network(x), torch.full((len(x),), c), reduction="none")) for c in range(classes)
    ]
    return p, every


def test_ekfac_measures_the_diagonal_of_the_fisher_in_the_eigenbasis_of_kfac(classifier):
    network, x, y = classifier
    influence, kfac = (fit(network, (x, y), CrossEntropy(), kind, batch_size=8) for kind in ("ekfac", "kfac"))
    p, every = class_gradients(network, x)
    a = torch.cat([x, torch.ones(30, 1)], 1)
    hidden = torch.cat([network[:2](x).detach(), torch.ones(30, 1)], 1)
    for block, inputs, name in ((0, a, "0"), (1, hidden, "2")):
        spectrum = influence.curvature.spectra[name]
        of_kfac = kfac.curvature.spectra[name]
        torch.testing.assert_close(of_kfac.QA @ torch.diag(of_kfac.pair[0]) @ of_kfac.QA.T, inputs.T @ inputs / 30, **CLOSE)
        turned = sum((p[:, c, None, None] * (spectrum.QS.T @ every[c][block] @ spectrum.QA).square()).mean(0) for c in range(3))
        torch.testing.assert_close(spectrum.values, turned, **CLOSE)
        # the trace of the Fisher is the same in every basis
        diagonal = sum((p[:, c, None, None] * every[c][block].square()).mean(0) for c in range(3))
        torch.testing.assert_close(spectrum.values.sum(), diagonal.sum(), **CLOSE)
        assert not torch.allclose(spectrum.values, of_kfac.values, rtol=1e-2)


def test_where_its_assumption_holds_it_is_the_exact_gauss_newton_matrix():
    """A linear map with squared error has the Hessian A x I: activations and gradients are independent."""
    torch.manual_seed(1)
    network = nn.Linear(4, 3).double()
    x, y = torch.randn(20, 4, dtype=torch.float64), torch.randn(20, 3, dtype=torch.float64)
    a = torch.cat([x, torch.ones(20, 1)], 1)
    H = torch.kron(torch.eye(3, dtype=torch.float64), a.T @ a / 20)
    G = flat(gradients(network, [""], (network(x) - y).square().sum(1) / 2))
    truth = G[:4] @ torch.linalg.solve(H + 0.01 * torch.eye(15, dtype=torch.float64), G.T)
    for kind in ("kfac", "ekfac"):
        torch.testing.assert_close(fit(network, (x, y), SquaredError(), kind, damping=0.01).scores((x[:4], y[:4])).values, truth, **CLOSE)
    # the control: weight by weight it is not
    assert not torch.allclose(fit(network, (x, y), SquaredError(), "diagonal", damping=0.01).scores((x[:4], y[:4])).values, truth, rtol=1e-2)


def test_eigenvectors_have_no_sign_and_no_order(classifier):
    network, x, y = classifier
    influence = fit(network, (x, y), CrossEntropy())
    generator = torch.Generator().manual_seed(3)

    def reordered(spectrum):
        rows, cols = spectrum.values.shape
        r, c = torch.randperm(rows, generator=generator), torch.randperm(cols, generator=generator)
        signs = [torch.randint(2, (n,), generator=generator) * 2 - 1.0 for n in (rows, cols)]
        return replace(spectrum, values=spectrum.values[r][:, c], QS=spectrum.QS[:, r] * signs[0], QA=spectrum.QA[:, c] * signs[1])

    other = replace(influence.curvature, spectra={name: reordered(s) for name, s in influence.curvature.spectra.items()})
    scores = influence.scores((x[:4], y[:4])).values
    torch.testing.assert_close(fit(network, (x, y), CrossEntropy(), fitted=other).scores((x[:4], y[:4])).values, scores, **CLOSE)
    # the control: eigenvectors taken for their transpose are something else
    wrong = {name: replace(s, QA=s.QA.T, QS=s.QS.T) for name, s in influence.curvature.spectra.items()}
    transposed = fit(network, (x, y), CrossEntropy(), fitted=replace(influence.curvature, spectra=wrong)).scores((x[:4], y[:4])).values
    assert torch.corrcoef(torch.stack([transposed.flatten(), scores.flatten()]))[0, 1] < 0.97


def test_batches_order_and_padding_do_not_matter():
    module = bare("native").double()
    asked = {"labels": "sampled", "draws": 2, "seed": 5}
    one, all_at_once = (fit(module, ROWS, NextToken(), batch_size=size, **asked) for size in (1, 6))
    torch.testing.assert_close(one.scores(ROWS[:2]).values, all_at_once.scores(ROWS[:2]).values, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(one.self_influence().values, all_at_once.self_influence().values, rtol=1e-6, atol=1e-9)
    other = fit(module, ROWS, NextToken(), batch_size=6, **{**asked, "seed": 6}).scores(ROWS[:2]).values
    assert not torch.allclose(other, one.scores(ROWS[:2]).values, rtol=1e-3)  # the control: other labels
    data = fit(module, ROWS, labels="empirical", batch_size=4).scores(ROWS[:2]).values
    turned_round = fit(module, ROWS[::-1], labels="empirical", batch_size=4).scores(ROWS[:2]).values
    torch.testing.assert_close(turned_round.flip(1), data, rtol=1e-6, atol=1e-9)
    by_module = all_at_once.scores(ROWS[:2], by="module")
    torch.testing.assert_close(by_module.by_module.sum(-1), all_at_once.scores(ROWS[:2]).values, rtol=1e-9, atol=1e-12)


def test_the_same_example_twice_has_the_same_score(classifier):
    network, x, y = classifier
    twice = torch.cat([x, x[3:4]]), torch.cat([y, y[3:4]])
    values = fit(network, twice, CrossEntropy()).scores((x[:4], y[:4])).values
    torch.testing.assert_close(values[:, 3], values[:, -1], **CLOSE)


def test_sampled_labels_tend_to_the_exact_expectation(classifier):
    network, x, y = classifier
    exact = fit(network, (x, y), CrossEntropy(), "kfac").curvature.spectra
    errors = []
    for draws in (1, 100):
        drawn = fit(network, (x, y), CrossEntropy(), "kfac", labels="sampled", draws=draws).curvature.spectra
        errors.append(sum(float((drawn[name].values - s.values).norm() / s.values.norm()) for name, s in exact.items()))
    assert errors[1] < 0.3 * errors[0]


def test_factored_damping_from_factors_is_that_of_matrices(classifier):
    network, x, y = classifier
    influence = fit(network, (x, y), CrossEntropy(), "kfac", Factored(0.1))
    G = gradients(network, ["0", "2"], nn.functional.cross_entropy(network(x), y, reduction="none"))
    truth = 0
    for block, name, inputs in ((0, "0", x), (1, "2", network[:2](x).detach())):
        a = torch.cat([inputs, torch.ones(30, 1)], 1)
        A, spectrum = a.T @ a / 30, influence.curvature.spectra[name]
        S = spectrum.QS @ torch.diag(spectrum.pair[1]) @ spectrum.QS.T
        root = (0.1 * torch.outer(*(torch.linalg.eigvalsh(m) for m in (S, A))).mean()).sqrt()
        pi = (A.trace() / len(A) / (S.trace() / len(S))).sqrt()
        A, S = A + pi * root * torch.eye(len(A), dtype=A.dtype), S + root / pi * torch.eye(len(S), dtype=S.dtype)
        truth = truth + (torch.linalg.solve(S, G[block]) @ torch.linalg.inv(A)).flatten(1) @ G[block].flatten(1).T
    torch.testing.assert_close(influence.scores((x, y)).values, truth.detach(), **CLOSE)
    # one query alone is asked by its factors, and thirty by matrices
    torch.testing.assert_close(influence.scores((x[:1], y[:1])).values, truth[:1].detach(), **CLOSE)
    with pytest.raises(InputError, match="two factors of K-FAC"):
        fit(network, (x, y), CrossEntropy(), "ekfac", Factored(0.1))


def test_a_fit_that_was_interrupted_goes_on(classifier, tmp_path, monkeypatch):
    network, x, y = classifier
    asked = {"kind": "ekfac", "batch_size": 2, "folder": tmp_path / "pieces"}
    back, calls = pass_statistics.Subject.back_from_labels, []

    def interrupted(self, indices, labels, receive):
        if len(calls) == 9:
            raise KeyboardInterrupt
        calls.append(indices)
        return back(self, indices, labels, receive)

    monkeypatch.setattr(pass_statistics.Subject, "back_from_labels", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(network, (x, y), CrossEntropy(), **asked)
    done = [tuple(indices) for indices in calls]
    calls.clear()
    monkeypatch.setattr(pass_statistics.Subject, "back_from_labels", lambda self, i, *rest: (calls.append(i), back(self, i, *rest))[1])
    resumed = fit(network, (x, y), CrossEntropy(), **asked)
    first_pass = [tuple(indices) for indices in calls[:15]]
    assert not set(done) & set(first_pass[: 15 - len(done)])
    at_once = fit(network, (x, y), CrossEntropy(), "ekfac")
    torch.testing.assert_close(resumed.scores((x[:3], y[:3])).values, at_once.scores((x[:3], y[:3])).values, **CLOSE)
    with pytest.raises(SondeError, match="pieces of another job"):
        fit(network, (x, y), CrossEntropy(), labels="empirical", **asked)


def test_parts_of_a_training_set_add_up(classifier):
    network, x, y = classifier
    influences = [fit(network, part, CrossEntropy()) for part in ((x, y), (x[:12], y[:12]), (x[12:], y[12:]))]
    whole, *parts = (pass_statistics.moments(i.subject, i.curvature.labels) for i in influences)
    together = pass_statistics.merged(parts)
    for name, value in whole.items():
        torch.testing.assert_close(together[name], value, **CLOSE)


def test_a_curvature_is_kept_for_its_own_weights_and_training_set(classifier, tmp_path):
    network, x, y = classifier
    influence = fit(network, (x, y), CrossEntropy(), "kfac")
    folder = influence.save(tmp_path / "curvature")
    again = fit(network, (x, y), CrossEntropy(), fitted=folder)
    torch.testing.assert_close(again.scores((x[:3], y[:3])).values, influence.scores((x[:3], y[:3])).values, **CLOSE)
    assert again.with_damping(Factored()).method == "K-FAC, exact labels, damping Factored(share=0.1)"
    with pytest.raises(InputError, match="training set changed"):
        fit(network, (x, y.flip(0)), CrossEntropy(), fitted=folder)
    with pytest.raises(InputError, match="fitted for the loss"):
        fit(network, (x, y), lambda m, b: nn.functional.cross_entropy(m(b[0]), b[1], reduction="none"), fitted=folder)
    with pytest.raises(InputError, match="other modules"):
        fit(network, (x, y), CrossEntropy(), fitted=folder, modules="0")
    torch.manual_seed(7)
    other = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    with pytest.raises(InputError, match="was fitted on the weights"):
        fit(other, (x, y), CrossEntropy(), fitted=folder)
    with pytest.raises(LoadError):
        Curvature.load(tmp_path)


def test_a_curvature_that_is_nothing_is_named():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    with torch.no_grad():
        network[2].bias.copy_(torch.tensor([200.0, 0.0, 0.0]))  # saturated: drawn labels are always the same, and their gradients are zero
        network[2].weight.zero_()
    x, y = torch.randn(8, 4), torch.randint(3, (8,))
    with pytest.raises(SondeError, match=r"curvature of '(0|2)' is zero"):
        fit(network, (x, y), CrossEntropy(), labels="sampled")


def test_blocks_of_different_kinds_are_each_what_they_are_alone():
    module = bare("native")
    asked = {"labels": "sampled", "seed": 3}
    whole = {kind: fit(module, ROWS, NextToken(), kind, **asked) for kind in ("diagonal", "kfac", "ekfac")}
    names = [block.name for block in whole["ekfac"].coverage.blocks]
    kinds = {"blocks.0.attn.*": "kfac", "blocks.*.attn.q": "diagonal", "blocks.1.mlp": "diagonal", "*": "ekfac"}
    mixed = fit(module, ROWS, NextToken(), kinds, **asked)
    of = {name: "kfac" if name.startswith("blocks.0.attn.") else "diagonal" if name.startswith(("blocks.1.attn.q", "blocks.1.mlp.")) else "ekfac"
          for name in names}  # fmt: skip
    assert set(of.values()) == set(whole) and "by block" in mixed.method
    for name, kind in of.items():
        torch.testing.assert_close(mixed.curvature.spectra[name].values, whole[kind].curvature.spectra[name].values, **CLOSE)
    parts = {kind: influence.scores(ROWS[:2], by="module").by_module for kind, influence in whole.items()}
    truth = torch.stack([parts[of[name]][..., i] for i, name in enumerate(names)], -1)
    torch.testing.assert_close(mixed.scores(ROWS[:2], by="module").by_module, truth, rtol=1e-5, atol=1e-8)
    assert plan(module, ROWS, NextToken(), kinds).kind == "mixed"
    for wrong, words in (
        ({"*": "hessian"}, "'hessian' for"),
        ({"nowhere": "kfac", "*": "ekfac"}, "for 'nowhere'"),
        ({"blocks.0": "kfac"}, "is given for 'blocks.1"),
        ({"*": "identity"}, "'identity' for"),
    ):
        with pytest.raises(InputError, match=words):
            fit(module, ROWS, NextToken(), wrong)


def test_a_singular_curvature_needs_damping(classifier):
    network, x, y = classifier
    with pytest.raises(InputError, match="is singular"):
        fit(network, (x[:2], y[:2]), CrossEntropy(), "kfac", damping=0)
    fit(network, (x[:2], y[:2]), CrossEntropy(), "kfac", damping=Absolute(1e-3))
    fit(network, (x[:2], y[:2]), CrossEntropy(), "kfac", damping=Relative())


def test_what_it_takes_is_said_before(classifier):
    network, x, y = classifier
    told = plan(network, (x, y), CrossEntropy(), queries=7)
    assert (told.examples, told.queries, told.ways_back) == (30, 7, 3)
    assert told.bytes["curvature"] == sum(8 * (r * c + 2 * (r * r + c * c)) for r, c in ((5, 5), (3, 6)))
    assert "GFLOP" in str(told) and told.to_frame().height == 2
    assert plan(bare("gpt2"), ROWS).operations["eigenvalues"] > 0


@pytest.mark.parametrize(
    "asked, words",
    [
        ({"loss": lambda m, b: nn.functional.cross_entropy(m(b[0]), b[1])}, "one number per example"),
        ({"loss": lambda m, b: nn.functional.cross_entropy(m(b[0]) - m(b[0]).mean(0), b[1], reduction="none")}, "depends on the second one"),
        ({"loss": lambda m, b: m(b[0]).detach().sum(1)}, "depends on none of the weights"),
        ({"loss": lambda m, b: m(b[0]).sum(1) * torch.nan}, "no finite number"),
        ({"loss": None}, "which loss"),
        ({"loss": 3}, "is no loss"),
        ({"kind": "hessian"}, "curvature='hessian'"),
        ({"labels": "true"}, "labels='true'"),
        ({"draws": 0}, "draws=0"),
        ({"damping": "much"}, "damping='much'"),
        ({"damping": -1.0}, "0 or more"),
        ({"modules": "blocks.*"}, "names no linear map"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"loss": lambda m, b: nn.functional.cross_entropy(m(b[0]), b[1], reduction="none"), "labels": "exact"}, "which distribution"),
    ],
)
def test_mistakes(classifier, asked, words):
    network, x, y = classifier
    with pytest.raises(InputError, match=words):
        fit(network, (x, y), **{"loss": CrossEntropy(), **asked})


def test_sets_that_are_none(classifier):
    network, x, y = classifier
    for given, words in (((x, y[:3]), "share their first axis"), ((x[:0], y[:0]), "holds no example"), ("text", "no set of numbered examples")):
        with pytest.raises(InputError, match=words):
            fit(network, given, CrossEntropy())
    as_list = fit(network, list(zip(x, y, strict=True)), CrossEntropy())
    torch.testing.assert_close(as_list.scores((x[:2], y[:2])).values, fit(network, (x, y), CrossEntropy()).scores((x[:2], y[:2])).values, **CLOSE)
    with pytest.raises(InputError, match="keeps no statistics"):
        fit(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3, track_running_stats=False)), (x.float(), y), CrossEntropy())
    with pytest.raises(InputError, match="none to foretell"):
        fit(bare("native"), [[3, 1], [4]])
    with pytest.raises(InputError, match="is not causal"):
        fit(build("bert"), [[3, 1], [4, 1]])


def test_what_is_overwritten_in_place_is_refused():
    class Adding(nn.Module):
        def __init__(self):
            super().__init__()
            self.read, self.out = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x):
            x = x.clone()
            h = self.read(x)
            x += h
            return self.out(x)

    with pytest.raises(SondeError, match="overwritten in place"):
        fit(Adding(), (torch.randn(4, 4), torch.randn(4, 2)), SquaredError())
