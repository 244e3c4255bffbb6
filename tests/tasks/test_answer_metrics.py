"""Metrics over sets of answers against hand calculation and against autograd."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from logit_runs import LOGITS, of, run
from small_models import words

from sonde.results import InputError
from sonde.tasks import METRICS, Accuracy, CrossEntropy, Margin, ProbabilityDifference, Rank, sign_of, unit_of

RIGHT, WRONG = [[1, 2], [3], [4, 5, 6]], [[0], [1, 2, 6], [0, 1]]
LAST = LOGITS[:, -1]


def by_hand(logits, value):
    """One number for each example by plain Python on its list of logits."""
    return torch.tensor([value(i, row) for i, row in enumerate(logits.double().tolist())], dtype=torch.float32)


def softmax(row):
    weights = torch.tensor(row, dtype=torch.float64).exp()
    return (weights / weights.sum()).tolist()


def test_values_are_those_of_the_definitions():
    def difference(i, row):
        p = softmax(row)
        return sum(p[t] for t in RIGHT[i]) - sum(p[t] for t in WRONG[i])

    def entropy(i, row):
        p = softmax(row)
        return -torch.tensor(sum(p[t] for t in RIGHT[i])).log().item()

    assert torch.allclose(ProbabilityDifference(RIGHT, WRONG)(run()), by_hand(LAST, difference), atol=1e-6)
    assert torch.allclose(CrossEntropy(RIGHT)(run()), by_hand(LAST, entropy), atol=1e-5)
    assert torch.equal(Rank([1, 3, 4])(run()), by_hand(LAST, lambda i, row: 1 + sum(v > row[[1, 3, 4][i]] for v in row)))
    among = by_hand(LAST, lambda i, row: 1 + sum(row[t] > row[RIGHT[i][0]] for t in WRONG[i]))
    assert torch.equal(Rank([1, 3, 4], among=WRONG)(run()), among)
    best = by_hand(LAST, lambda i, row: 1 + sum(v > max(row[t] for t in RIGHT[i]) for v in row))
    assert torch.equal(Rank(RIGHT)(run()), best), "other right answers never count"
    right = by_hand(LAST, lambda i, row: max(row[t] for t in RIGHT[i]) > max(row[t] for t in WRONG[i]))
    assert torch.equal(Accuracy(RIGHT, WRONG)(run()), right)
    assert torch.equal(Accuracy(RIGHT)(run()), by_hand(LAST, lambda i, row: row.index(max(row)) in RIGHT[i]))


def test_a_uniform_prediction_has_known_values():
    flat = of(torch.zeros(3, 5, 7))
    assert torch.allclose(ProbabilityDifference(RIGHT, WRONG)(flat), torch.tensor([2 - 1, 1 - 3, 3 - 2]) / 7)
    assert torch.allclose(CrossEntropy(RIGHT)(flat), (7 / torch.tensor([2.0, 1.0, 3.0])).log())
    # ties count against the target
    assert Rank([1, 3, 4])(flat).tolist() == [7, 7, 7] and Accuracy(RIGHT, WRONG)(flat).tolist() == [0, 0, 0]


@given(st.integers(0, 2**31), st.integers(2, 12))
def test_sets_that_share_out_the_vocabulary(seed, vocabulary):
    """The difference is twice the right share less one, swapping the sets changes its sign, and a rank is a place."""
    logits = torch.randn(2, 1, vocabulary, generator=torch.Generator().manual_seed(seed))
    one = of(logits)
    cut = 1 + seed % (vocabulary - 1)
    right, wrong = [list(range(cut))] * 2, [list(range(cut, vocabulary))] * 2
    value = ProbabilityDifference(right, wrong)(one)
    assert torch.allclose(value, 2 * logits[:, 0].softmax(-1)[:, :cut].sum(-1) - 1, atol=1e-6)
    assert torch.allclose(ProbabilityDifference(wrong, right)(one), -value)
    assert torch.allclose(CrossEntropy(right)(one).neg().exp() + CrossEntropy(wrong)(one).neg().exp(), torch.ones(2), atol=1e-5)
    assert sorted(float(Rank(i)(one)[0]) for i in range(vocabulary)) == list(range(1, vocabulary + 1))
    assert torch.equal(Accuracy(right)(one) + Accuracy(wrong)(one), torch.ones(2))


@pytest.mark.parametrize("metric", [ProbabilityDifference(RIGHT, WRONG), CrossEntropy(RIGHT)])
def test_gradients_are_those_of_the_definition(metric):
    """d p(set) / d logit_v = p_v ([v in set] - p(set)), summed by hand."""
    logits = LOGITS.double().requires_grad_()
    (gradient,) = torch.autograd.grad(metric(of(logits)).sum(), logits)
    p = LAST.double().softmax(-1)
    inside = [torch.tensor([[v in row for v in range(7)] for row in sets]).double() for sets in (RIGHT, WRONG)]
    total = [(p * one).sum(-1, keepdim=True) for one in inside]
    of_sets = [p * (one - all_) for one, all_ in zip(inside, total, strict=True)]
    expected = of_sets[0] - of_sets[1] if isinstance(metric, ProbabilityDifference) else -of_sets[0] / total[0]
    assert torch.allclose(gradient[:, -1], expected) and gradient[:, :-1].abs().max() == 0


@pytest.mark.parametrize("metric", [Rank(1), Accuracy(1), Accuracy([1], [2])])
def test_what_counts_has_no_gradient(metric):
    with pytest.raises(InputError, match=f"{type(metric).__name__} counts, so it has no gradient: differentiate LogitDifference"):
        words().grad(["The dog"], of=metric, at="embed")


def test_a_metric_for_some_examples_gives_their_values():
    some = of(LOGITS[[2, 0]])
    for metric in (ProbabilityDifference(RIGHT, WRONG), CrossEntropy(RIGHT), Rank([1, 3, 4], among=WRONG), Rank(2), Accuracy(RIGHT, WRONG)):
        assert torch.allclose(metric.select([2, 0])(some), metric(run())[[2, 0]], atol=1e-6)
        assert metric.select([2, 0]).pos == -1


@pytest.mark.parametrize("metric", [Rank([1, 3, 4], among=WRONG), Accuracy(RIGHT, WRONG)])
def test_only_the_declared_rows_matter(metric):
    other = torch.full_like(LOGITS, 99.0)
    other[..., metric.rows] = LOGITS[..., metric.rows]
    assert torch.equal(metric(of(other)), metric(run()))


@pytest.mark.parametrize("metric", [ProbabilityDifference(RIGHT, WRONG), CrossEntropy(RIGHT), Rank([1, 3, 4]), Accuracy(RIGHT)])
def test_what_needs_the_whole_vocabulary_says_so(metric):
    """The control of the test above: here a token that is no answer (0 is none of the second example) matters."""
    assert metric.rows is None
    other = LOGITS.clone()
    other[..., 0] = 99.0
    assert metric(of(other))[1] != metric(run())[1] or (isinstance(metric, Accuracy) and metric(run())[1] == 0)


def test_positions_count_each_rows_real_tokens():
    ragged = run((5, 3, 4))
    here = torch.stack([LOGITS[0, 3], LOGITS[1, 1], LOGITS[2, 2]])[:, None]
    straight = of(here)
    for metric, again in ((ProbabilityDifference(RIGHT, WRONG, pos=-2), ProbabilityDifference(RIGHT, WRONG)), (Rank(1, pos=-2), Rank(1))):
        assert torch.equal(metric(ragged), again(straight))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ProbabilityDifference([[1, 2], [3]], [[2], [4]]), "token 2 of example 0 is among the right and among the wrong answers"),
        (lambda: Accuracy([1, 3], [[4], [4, 3]]), "token 3 of example 1 is among"),
        (lambda: ProbabilityDifference([[1], []], [2, 3]), "answers: example 1 has none; give each example at least one token"),
        (lambda: CrossEntropy([[1], [2]])(run()), "answers for 2 examples and the run 3 rows"),
    ],
)
def test_refusals(make, message, unchecked):
    with pytest.raises(InputError, match=message):
        make()


def test_units_and_directions():
    assert [unit_of(m) for m in (ProbabilityDifference(1, 2), CrossEntropy(1), Rank(1), Accuracy(1))] == [
        "probability",
        "nats",
        "rank",
        "share right",
    ]
    signs = {name: sign_of(make([[1, 2]], [[3]])) for name, make in METRICS.items()}
    assert [name for name, sign in signs.items() if sign < 0] == ["cross_entropy", "rank"]
    assert sign_of(lambda run: run) == 1


def test_single_tokens_agree_with_the_metrics_of_one_token():
    p = LAST.softmax(-1)
    assert torch.allclose(ProbabilityDifference([1, 2, 3], [0, 0, 1])(run()), p[[0, 1, 2], [1, 2, 3]] - p[[0, 1, 2], [0, 0, 1]])
    assert torch.allclose(CrossEntropy(4)(run()), -METRICS["log_probability"]([4], [0])(run()), atol=1e-6)


def test_a_margin_is_above_zero_where_the_answer_is_right():
    margin = Margin(RIGHT, WRONG)
    by_best = by_hand(LAST, lambda i, row: max(row[t] for t in RIGHT[i]) - max(row[t] for t in WRONG[i]))
    assert torch.allclose(margin(run()), by_best, atol=1e-6)
    assert torch.equal((margin(run()) > 0).float(), Accuracy(RIGHT, WRONG)(run()))
    assert torch.equal(margin.select([2, 0])(of(LOGITS[[2, 0]])), margin(run())[[2, 0]])
    with pytest.raises(InputError, match="right and among the wrong"):
        Margin([[1]], [[1]])
