"""Training again is what it says: the plain optimiser's weights, minima without a gradient, and agreement with itself as it was made."""

import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from sonde.influence import (
    CrossEntropy,
    Descent,
    OneByOne,
    RetrainTruth,
    Scores,
    SelfInfluence,
    SoftmaxRegression,
    additivity,
    concentration,
    exact,
    fit,
    lds,
    leave_one_out,
    mislabelled,
    random_groups,
    removal,
    retrain_on_subsets,
    retrain_without,
    stability,
    trained,
)  # fmt: skip
from sonde.influence.problems import small_network
from sonde.influence.training import Run
from sonde.results import InputError, Recipe, SondeError

N, Q = 60, 9


def points(n=N, classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % classes
    return torch.randn(n, 4, generator=generator) + nn.functional.one_hot(y, 4), y


def network(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))


def recipe(seed=0):
    return Recipe.of("made up", {"seed": seed}, model_hash=str(seed), inputs=[])


def made_up(values, method="made up", seed=0):
    q, n = values.shape
    return Scores(values, [f"q{i}" for i in range(q)], [f"e{i}" for i in range(n)], torch.zeros(q), n, method, "made up", recipe=recipe(seed))


def truth_of(values, members, kind="subsets", whole=None, random=True):
    s, _, q = values.shape
    names = [f"q{i}" for i in range(q)], [f"e{i}" for i in range(members.shape[1])]
    return RetrainTruth(kind, members, values, whole, list(range(s)), random, *names, "made up", "made up", recipe=recipe())


def test_many_at_once_are_the_plain_optimiser():
    x, y = points()
    descent = Descent(network, passes=3, batches=4, rate=0.05, momentum=0.8, decay=0.01)
    examples = ((x, y), [Run(tuple(range(30)), 1), Run(tuple(range(20, 50)), 2), Run(tuple(range(30)), 1, without=(3, 4))])
    from sonde.influence.examples import TensorExamples

    found = descent(TensorExamples(examples[0]), examples[1])
    for module, run in zip(found, examples[1], strict=True):
        plain, generator = network(run.seed), torch.Generator().manual_seed(1000 + run.seed)
        optimiser = torch.optim.SGD(plain.parameters(), lr=0.05, momentum=0.8, weight_decay=0.01)
        for _ in range(3):
            for some in torch.tensor(run.indices)[torch.randperm(30, generator=generator)].tensor_split(4):
                weights = torch.tensor([float(int(i) not in run.without) for i in some])
                optimiser.zero_grad()
                (nn.functional.cross_entropy(plain(x[some]), y[some], reduction="none") * weights).mean().backward()
                optimiser.step()
        for a, b in zip(module.parameters(), plain.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    # the control: what was left out matters
    assert not torch.allclose(found[0][0].weight, found[2][0].weight, atol=1e-4)


def test_minima_have_no_gradient():
    x, y = points()
    from sonde.influence.examples import TensorExamples

    runs = [Run(tuple(range(N)), 0), Run(tuple(range(25)), 0), Run(tuple(range(N)), 0, without=(7,))]
    for module, run in zip(SoftmaxRegression(3, decay=0.05)(TensorExamples((x, y)), runs), runs, strict=True):
        kept = [i for i in run.indices if i not in run.without]
        losses = nn.functional.cross_entropy(module(x[kept].double()), y[kept], reduction="none").sum() / len(run.indices)
        objective = losses + 0.025 * sum(p.square().sum() for p in module.parameters())
        assert max(float(g.abs().max()) for g in torch.autograd.grad(objective, list(module.parameters()))) < 1e-9
    with pytest.raises(SondeError, match="not converged after 1 steps"):
        SoftmaxRegression(3, decay=0.05, steps=1)(TensorExamples((x, y)), runs)
    with pytest.raises(InputError, match="above zero"):
        SoftmaxRegression(3, decay=0.0)(TensorExamples((x, y)), runs)


def test_the_ceiling_is_that_of_the_noise():
    # values are a signal and as much noise: two seeds correlate by a half, which is a rank correlation of 6 / pi asin(1 / 4)
    generator = torch.Generator().manual_seed(0)
    signal, noise = torch.randn(1, 400, 60, generator=generator), torch.randn(5, 400, 60, generator=generator)
    truth = truth_of(signal + noise, torch.rand(400, 8, generator=generator) < 0.5)
    told = truth.ceiling()
    one = 6 / torch.pi * torch.asin(torch.tensor(0.25)).item()
    assert told.one == pytest.approx(one, abs=0.01) and told.reliability == pytest.approx(5 * one / (1 + 4 * one), abs=0.01)
    assert told.bound == told.reliability**0.5 and told.halves > told.one and "ceiling 0.9" in str(told)
    # what knows the signal and nothing of the noise comes as near as that
    perfect = torch.stack([torch.corrcoef(torch.stack([signal[0, :, q], truth.target[:, q]]))[0, 1] for q in range(60)]).mean()
    assert float(perfect) == pytest.approx((5 / 6) ** 0.5, abs=0.01)
    with pytest.raises(InputError, match="2 seeds or more"):
        truth_of(signal, truth.members).ceiling()
    assert truth_of(signal, truth.members, random=False).ceiling().bound == 1


def test_scores_that_are_the_truth_agree():
    generator = torch.Generator().manual_seed(0)
    tau, members = torch.randn(4, 30, generator=generator), torch.rand(40, 30, generator=generator) < 0.5
    values = -(members.float() @ tau.T)[None] / 30
    truth, scores = truth_of(values, members, random=False), made_up(tau)
    found = lds({"right": scores, "turned": made_up(-tau, seed=1), "another": made_up(tau.flip(1), seed=2)}, truth)
    assert found.mean["right"] == pytest.approx(1) and found.mean["turned"] == pytest.approx(-1) and abs(found.mean["another"]) < 0.5
    mean, (low, high) = found.difference("right", "another")
    assert low <= mean <= high and low > 0 and found.to_frame().height == 12 and found.drawing().kind == "bars"
    without = truth_of(values - values[:, :1], members, "without", torch.zeros(1, 4), False)
    assert leave_one_out(scores, without).mean["made up"] == pytest.approx(1)
    told = additivity(scores, truth_of((~members).double() @ tau.double().T[None] / 30, members, "without", torch.zeros(1, 4), False))
    assert all(slope == pytest.approx(1) for slope in told.slope.values()) and told.drawing().kind == "scatter"
    # a query whose value never changes has no order, and is told
    values[..., 2] = 0
    odd = lds(scores, truth_of(values, members, random=False))
    assert odd.mean["made up"] == pytest.approx(1) and "1 queries whose value never changes" in odd.drawing().note
    for call, words in (
        (lambda: lds(scores, without), "use leave_one_out"),
        (lambda: leave_one_out(scores, truth), "use lds"),
        (lambda: additivity(scores, truth), "with groups"),
        (lambda: lds({}, truth), "no scores"),
        (lambda: lds(made_up(tau[:2]), truth), "2 queries and 30 examples"),
        (lambda: found.difference("right", "best"), "'best' was not measured"),
    ):
        with pytest.raises(InputError, match=words):
            call()


def test_a_damping_cannot_be_chosen_on_the_score():
    x, y = points()
    found = fit(network(0), (x, y), CrossEntropy())
    query = (x[:Q], y[:Q])
    truth = retrain_on_subsets(Descent(network, passes=1), (x, y), query, subsets=4, seeds=2)
    scores, other = found.scores(query), found.with_damping(0.5).scores(query)
    with pytest.raises(InputError, match="differ in their damping alone"):
        lds({"a": scores, "b": other}, truth)
    assert lds({"a": scores, "dots": fit(network(0), (x, y), CrossEntropy(), "identity").scores(query)}, truth).methods == ["a", "dots"]
    assert stability({"a": scores, "b": other}).agreement[0, 1] > 0.5


def test_what_was_finished_is_not_done_again(tmp_path):
    x, y = points()
    calls = []

    def train(indices, seed):
        if len(calls) == 5:
            raise KeyboardInterrupt
        calls.append((tuple(indices), seed))
        return network(seed)

    def again():
        return retrain_on_subsets(OneByOne(train), (x, y), (x[:Q], y[:Q]), subsets=4, seeds=2, folder=tmp_path)

    with pytest.raises(KeyboardInterrupt):
        again()
    del calls[:]
    calls += [None] * 6
    truth = again()
    assert len(calls) == 6 + 3 and all(len(indices) == N // 2 for indices, _ in calls[6:])
    loaded = RetrainTruth.load(truth.save(tmp_path / "truth"))
    assert torch.equal(loaded.values, truth.values) and loaded.to_frame().height == 2 * 4 * Q
    with pytest.raises(SondeError, match="another job"):
        retrain_on_subsets(OneByOne(train), (x, y), (x[:2], y[:2]), subsets=4, seeds=2, folder=tmp_path)


def test_left_out_one_by_one_and_in_groups():
    x, y = points()
    x = x.double()
    training = SoftmaxRegression(3, decay=0.05)
    module, query = trained(training, (x, y)), (x[:Q], y[:Q])
    solver = exact(module, (x, y), CrossEntropy(), damping=0.05)
    scores = solver.scores(query)
    truth = retrain_without(training, (x, y), query)
    missed = [(one.removal.T - truth.target).square().sum() for one in (solver.leave_one_out(query), scores)]
    assert missed[0] < missed[1] < truth.target.square().sum() and leave_one_out(scores, truth).mean_pearson[scores.method] > 0.9
    groups = random_groups(N, (1, 2, 20), 12)
    told = additivity(scores, retrain_without(training, (x, y), query, groups=groups))
    # what is left out takes its curvature along, so the slope tells too little, and the less the more is left out
    assert 1 < told.slope[1] < told.slope[20] and min(told.pearson.values()) > 0.9
    curve = removal({"exact": scores, "turned": made_up(-scores.values)}, training, (x, y), query, ks=(3, 12))
    assert curve.rise.shape == (3, 2, Q) and [v.holds for v in curve.verdicts()] == [True, True]
    assert curve.rise[0, 1].mean() > curve.rise[2, 1].mean() > curve.rise[1, 1].mean()
    assert curve.check(scores_model := solver.subject.model)[0].holds and scores_model.hash == scores.recipe.model_hash
    flipped = (curve.flips[0] > 0.5).any(0).tolist()
    assert [k is not None for k in curve.fewest("exact")] == flipped and curve.drawing().kind == "tabs"
    assert curve.to_frame().height == 3 * 2 * Q
    # what was found by the curve is what training without them does
    order = tuple(scores.values[0].argsort(descending=True)[:3].tolist())
    alone = retrain_without(training, (x, y), query, groups=[order, [0], [1]])
    torch.testing.assert_close(curve.rise[0, 0, 0], alone.target[0, 0], rtol=1e-6, atol=1e-9)


def test_wrong_labels_are_found_as_scikit_learn_counts():
    generator = torch.Generator().manual_seed(0)
    values, losses = torch.rand(50, generator=generator).round(decimals=1), torch.rand(50, generator=generator)
    wrong = list(range(0, 50, 7))
    own = SelfInfluence(values, losses, [str(i) for i in range(50)], 50, "made up", recipe=recipe())
    found = mislabelled(own, wrong)
    among = torch.zeros(50)
    among[wrong] = 1
    assert found.auc == pytest.approx([roc_auc_score(among, values), roc_auc_score(among, losses)])
    assert found.after(1.0) == {"self-influence": 1.0, "loss": 1.0} and found.drawing().kind == "lines"
    for call, words in (
        (lambda: mislabelled(own, []), "at least one"),
        (lambda: mislabelled(own, [50]), "0 to 49"),
        (lambda: found.after(0.33), "not counted"),
    ):
        with pytest.raises(InputError, match=words):
            call()


def test_suspects_go_into_a_table(tmp_path):
    own = SelfInfluence(torch.tensor([0.1, 0.9]), torch.tensor([1.0, 2.0]), ["a, b", "c"], 2, "made up", recipe=recipe())
    lines = own.export(tmp_path / "suspects.csv").read_text(encoding="utf-8").splitlines()
    assert lines == ["rank,example,text,self_influence,loss,wrong", "1,1,c,0.9,2,", '2,0,"a, b",0.1,1,']
    with pytest.raises(InputError, match="can't be written"):
        own.export(tmp_path / "no" / "suspects.csv")


def test_few_examples_and_many_seeds():
    tau = torch.zeros(2, 10)
    tau[0, 0], tau[1] = 5.0, 1.0
    told = concentration(made_up(tau), ks=(1, 5))
    assert told.ks == [1, 5, 10] and told.share.T.tolist() == [[1, 1, 1], pytest.approx([0.1, 0.5, 1])]
    line = torch.arange(10.0).repeat(2, 1)
    same = stability({"a": made_up(line), "b": made_up(2 * line), "c": made_up(-line)}, k=3)
    torch.testing.assert_close(same.agreement, torch.tensor([[1.0, 1, -1], [1, 1, -1], [-1, -1, 1]], dtype=torch.float64))
    assert same.overlap[0, 1] == 1 and same.overlap[0, 2] == 0 and same.drawing().kind == "tabs"
    for call, words in (
        (lambda: stability({"a": made_up(tau)}), "two or more"),
        (lambda: stability({"a": made_up(tau), "b": made_up(tau)}, k=11), "1 to 10"),
    ):
        with pytest.raises(InputError, match=words):
            call()


def test_mistakes():
    x, y = points()
    data, query, descent = (x, y), (x[:2], y[:2]), Descent(network, passes=1)

    def drops(seed):
        return nn.Sequential(nn.Linear(4, 3), nn.Dropout())

    for call, words in (
        (lambda: retrain_on_subsets(descent, data, query, share=1.5), "share=1.5"),
        (lambda: retrain_on_subsets(descent, data, query, subsets=2), "subsets=2"),
        (lambda: retrain_on_subsets(descent, data, query, seeds=0), "seeds=0"),
        (lambda: retrain_on_subsets(descent, data, query, seeds=[1, 1]), "different seeds"),
        (lambda: retrain_on_subsets("sgd", data, query), "training='sgd'"),
        (lambda: retrain_on_subsets(network(0), data, query), "give Descent"),
        (lambda: retrain_on_subsets(lambda indices, seed: None, data, query, subsets=3), "returns a torch module"),
        (lambda: retrain_on_subsets(Descent(drops), data, query), "Dropout"),
        (lambda: retrain_on_subsets(Descent(network, rate=1e6, passes=20), data, query, subsets=3, seeds=1), "no finite numbers"),
        (lambda: retrain_on_subsets(descent, data, query, of=lambda m, b: m(b[0]), subsets=3), "one number for each"),
        (lambda: retrain_without(descent, data, query, groups=[[N]]), "there are 60"),
        (lambda: retrain_without(descent, data, query, groups=[]), "nothing is left out"),
        (lambda: retrain_without(descent, data, query, groups=[range(N)]), "nothing is left to train on"),
        (lambda: removal(made_up(torch.zeros(2, N)), descent, data, query, ks=(5, 2)), "increasing"),
        (lambda: removal(made_up(torch.zeros(2, 5)), descent, data, query), "give those of the same"),
        (lambda: random_groups(5, (5,), 1), "1 to 4"),
    ):
        with pytest.raises(InputError, match=words):
            call()
    assert small_network(3)(torch.zeros(1, 64)).shape == (1, 10)
