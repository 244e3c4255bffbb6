"""Metrics against closed forms."""

import pytest
import torch
from logit_runs import LOGITS, of, run
from small_models import words

from sonde.results import InputError
from sonde.tasks import KL, Logit, LogitDifference, LogProbability, unit_of


def test_values_are_those_of_the_definitions():
    last = LOGITS[:, -1]
    assert torch.equal(Logit([1, 2, 3])(run()), torch.stack([last[0, 1], last[1, 2], last[2, 3]]))
    assert torch.equal(
        LogitDifference([1, 2, 3], [0, 0, 1])(run()), torch.stack([last[0, 1] - last[0, 0], last[1, 2] - last[1, 0], last[2, 3] - last[2, 1]])
    )
    assert torch.allclose(LogProbability(4)(run()), last.softmax(-1)[:, 4].log())
    reference = torch.randn(3, 7)
    expected = torch.nn.functional.kl_div(last.log_softmax(-1), reference.log_softmax(-1), log_target=True, reduction="none").sum(-1)
    assert torch.allclose(KL(reference)(run()), expected, atol=1e-6)
    assert torch.allclose(KL(last)(run()), torch.zeros(3), atol=1e-6)


def test_probabilities_of_all_tokens_sum_to_one():
    total = sum(LogProbability(i)(run()).exp() for i in range(7))
    assert torch.allclose(total, torch.ones(3))


def test_positions_count_each_rows_real_tokens():
    ragged = run((5, 3, 4))
    assert torch.equal(Logit(0)(ragged), torch.stack([LOGITS[0, 4, 0], LOGITS[1, 2, 0], LOGITS[2, 3, 0]]))
    assert torch.equal(Logit(0, pos=-2)(ragged), torch.stack([LOGITS[0, 3, 0], LOGITS[1, 1, 0], LOGITS[2, 2, 0]]))
    assert torch.equal(Logit(0, pos=1)(ragged), LOGITS[:, 1, 0])
    with pytest.raises(InputError, match=r"position 3 is outside row 1, which has 3 tokens \(0 to 2, or -3 to -1\)"):
        Logit(0, pos=3)(ragged)


def test_a_metric_for_some_examples_gives_their_values():
    for metric in (
        Logit([1, 2, 3]),
        LogitDifference([1, 2, 3], [4, 5, 6]),
        LogProbability([1, 2, 3]),
        KL(torch.randn(3, 7)),
        LogitDifference(1, foils=[4, 5, 6]),
    ):
        whole = metric(run())
        some = of(LOGITS[[2, 0]], torch.ones(2, 5).bool())
        assert torch.equal(metric.select([2, 0])(some), whole[[2, 0]])


def test_what_a_metric_reads_is_declared():
    assert LogitDifference([5, 1], [1, 3]).rows.tolist() == [1, 3, 5]
    assert Logit(2).rows.tolist() == [2]
    assert LogProbability(2).rows is None and KL(torch.zeros(1, 7)).rows is None
    assert all(metric.pos == -1 for metric in (Logit(1), LogProbability(1), LogitDifference(1, 2), KL(torch.zeros(1, 7))))
    assert [unit_of(m) for m in (Logit(1), LogProbability(1), lambda run: run)] == ["logits", "nats", "units of the metric"]


def test_only_the_declared_rows_matter():
    metric = LogitDifference([5, 1, 2], [1, 3, 3])
    other = torch.full_like(LOGITS, 99.0)
    other[..., metric.rows] = LOGITS[..., metric.rows]
    changed = of(other)
    assert torch.equal(metric(changed), metric(run()))


def test_as_many_targets_as_rows_or_one(unchecked):
    with pytest.raises(InputError, match="2 target tokens and the run 3 rows"):
        Logit([1, 2])(run())


def test_metrics_are_differentiable_and_work_on_real_runs():
    model = words()
    inputs = ["The keys on the cabinet", "The key"]
    are, is_ = model.tokenizer.single(" are"), model.tokenizer.single(" is")
    metric = LogitDifference(are, is_)
    full, last = metric(model.run(inputs)), metric(model.run(inputs, logits="last"))
    assert torch.allclose(full, last, atol=1e-5)
    assert full[0] > 0 > full[1]
    for one in (metric, LogProbability(are), Logit(are)):
        assert model.grad(inputs, of=one, at="embed")["embed"].abs().sum() > 0
