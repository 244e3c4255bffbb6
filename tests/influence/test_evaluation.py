"""On digits: exact scores are what retraining gives, approximate ones as good as they were measured, controls at chance."""

import pytest
import torch
from torch import nn

from sonde.evidence import shuffled
from sonde.influence import CrossEntropy, exact, fit, lds, leave_one_out, nearest, problem, retrain_on_subsets, retrain_without, trained
from sonde.influence.problems import digits_mlp, digits_softmax
from sonde.results import CheckRefused, InputError

LEFT_OUT = 200


@pytest.fixture(scope="module")
def softmax():
    task = digits_softmax()
    module = trained(task.training, task.train_set)
    return task, module, exact(module, task.train_set, CrossEntropy(), damping=task.training.decay)


def test_exact_scores_are_leave_one_out(softmax):
    task, _, solver = softmax
    truth = retrain_without(task.training, task.train_set, task.query, groups=list(range(LEFT_OUT)))
    steps = solver.leave_one_out(task.query)
    found = leave_one_out(steps, truth)
    assert found.mean_pearson[steps.method] > 0.9999
    # in size, too: of the sum of squares the Newton step misses less than the slope does
    plain = solver.scores(task.query)
    missed = [(one.removal[:, :LEFT_OUT].T - truth.target).square().sum() / truth.target.square().sum() for one in (steps, plain)]
    assert missed[0] < missed[1] and leave_one_out(plain, truth).mean_pearson[plain.method] > 0.999


def test_exact_and_default_scores_rank_subsets(softmax):
    task, module, solver = softmax
    truth = retrain_on_subsets(task.training, task.train_set, task.query)
    x, y = task.train_set
    other = (x, shuffled(y, seed=0))
    chance = fit(trained(task.training, other), other, CrossEntropy()).scores(task.query)
    ours = fit(module, task.train_set, CrossEntropy())
    scores = ours.scores(task.query)
    several = {
        "exact": solver.scores(task.query), "EK-FAC": scores, "nearest": nearest(module, task.train_set, task.query, "1:in", CrossEntropy()),
        "shuffled labels": type(chance)(**{**vars(chance), "examples": scores.examples}),
    }  # fmt: skip
    mean = lds(several, truth).mean
    assert mean["exact"] >= 0.99 and mean["EK-FAC"] >= 0.94
    # of one query the rank correlation of m subsets with nothing has the deviation 1 / sqrt(m - 1); queries are not independent
    assert abs(mean["shuffled labels"]) < 3 / 99**0.5 and mean["nearest"] < mean["EK-FAC"]
    model = ours.subject.model
    verdicts = scores.check(model, truth=truth, controls={"nearest neighbours": several["nearest"]})
    assert [verdict.holds for verdict in verdicts] == [True, True]
    # a control that is no better than chance does not beat the neighbours
    assert several["shuffled labels"].check(_model(chance, task), truth=truth, controls={"nearest": several["nearest"]})[0].holds is False
    assert scores.check(model)[0].holds is None and "truth=" in scores.check(model)[0].reason
    with pytest.raises(CheckRefused):
        scores.check(_model(chance, task), truth=truth)


def _model(scores, task):
    from sonde.access import Model

    x, y = task.train_set
    found = Model(trained(task.training, (x, shuffled(y, seed=0))))
    assert found.hash == scores.recipe.model_hash
    return found


def test_a_network():
    task = digits_mlp()
    truth = retrain_on_subsets(task.training, task.train_set, task.query, subsets=40, seeds=3)
    module = trained(task.training, task.train_set)
    scores = {
        "EK-FAC": fit(module, task.train_set, CrossEntropy()).scores(task.query),
        "dots": fit(module, task.train_set, CrossEntropy(), "identity").scores(task.query),
        "nearest": nearest(module, task.train_set, task.query, task.near, CrossEntropy()),
    }
    found = lds(scores, truth)
    assert found.mean["EK-FAC"] >= 0.60 and found.difference("EK-FAC", "dots")[1][0] > 0 and found.difference("EK-FAC", "nearest")[1][0] > 0
    assert found.ceiling > max(found.mean.values())


def test_doubles_orders_and_poison(softmax):
    task, _, _ = softmax
    (x, y), asked = (task.train_set[0][:200], task.train_set[1][:200]), (task.query[0][:8], task.query[1][:8])
    # an example twice, and one that shows a query with another label
    x, y = torch.cat([x, x[:1], asked[0][:1]]), torch.cat([y, y[:1], (asked[1][:1] + 1) % 10])
    module = trained(task.training, (x, y))
    found = fit(module, (x, y), CrossEntropy(), batch_size=50).scores(asked)
    torch.testing.assert_close(found.values[:, 200], found.values[:, 0], rtol=1e-9, atol=1e-12)
    assert found.harmful(0, 1)[0][0] == 201 and int(found.values[0].argmin()) == 201
    assert found.harmful(1, 1)[0][0] != 201  # of another query it is not
    order = torch.randperm(202, generator=torch.Generator().manual_seed(1))
    mixed = fit(module, (x[order], y[order]), CrossEntropy(), batch_size=7).scores(asked)
    torch.testing.assert_close(mixed.values, found.values[:, order], rtol=1e-8, atol=1e-10)


def test_check_says_what_is_skipped(softmax):
    task = softmax[0].smaller(400, 8)
    module = trained(task.training, task.train_set)
    found = fit(module, task.train_set, CrossEntropy())
    verdicts = found.check(task.query, task.training, task.near, subsets=20, most=30)
    assert len(verdicts) == 6 and all(verdict.holds is not None for verdict in verdicts)
    assert verdicts[1].claim.endswith("a model of shuffled labels.") and verdicts[1].holds
    assert "whole curvature" in verdicts[-1].claim and verdicts[-1].holds
    alone = found.check(task.query)
    assert [verdict.holds for verdict in alone[:2]] == [None, None] and "no training was given" in alone[0].reason
    large = nn.Sequential(nn.Linear(64, 40), nn.ReLU(), nn.Linear(40, 10)).double()
    told = fit(large, task.train_set, CrossEntropy()).check(task.query)
    assert "too many to form" in told[-1].reason


def test_problems_in_a_file(tmp_path):
    file = tmp_path / "own.py"
    file.write_text(
        "import torch\nfrom sonde.influence import Problem, SoftmaxRegression\n"
        "x, y = torch.randn(30, 4), torch.arange(30) % 3\n"
        "own = Problem('own', (x, y), (x[:8], y[:8]), SoftmaxRegression(3))\n", encoding="utf-8",
    )  # fmt: skip
    assert problem(str(file)).name == "own"
    for content, words in (
        ("x = 1", "holds no problems"),
        ("from sonde.influence import Problem\nown = Problem('own', [1], [2], print)", "as a tuple of tensors"),
        ("1 / 0", "can't be run: ZeroDivisionError"),
    ):
        (tmp_path / "odd.py").write_text(content, encoding="utf-8")
        with pytest.raises(InputError, match=words):
            problem(str(tmp_path / "odd.py"))
    for name, words in (("digits", "digits-softmax"), (str(tmp_path / "none.py"), "there is no file")):
        with pytest.raises(InputError, match=words):
            problem(name)
