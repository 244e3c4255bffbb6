"""Answers of several tokens, scored as sequences: the chain rule of probability, in every verb."""

import itertools

import pytest
import torch
from tiny_models import VOCAB, bare

import sonde
from sonde.results import InputError
from sonde.tasks import LogProbability, SequenceLogProbability

ROWS, LENGTHS = [[5, 9, 3, 7, 1], [4, 2, 8], [6, 6, 1, 0]], [2, 1, 3]


@pytest.fixture(scope="module")
def model():
    return sonde.Model(bare("gpt2"))


def by_chain(model, row, length, edits=()):
    """One forward for each token of the answer, over what stands before it."""
    return sum(LogProbability(row[i])(model.run([row[:i]], edits=edits)).item() for i in range(len(row) - length, len(row)))


def test_the_sum_over_the_answers_tokens(model):
    expected = torch.tensor([by_chain(model, row, length) for row, length in zip(ROWS, LENGTHS, strict=True)])
    metric = SequenceLogProbability(LENGTHS)
    assert torch.allclose(metric(model.run(ROWS)), expected, atol=1e-5)
    assert torch.allclose(metric.select([2, 0])(model.run([ROWS[2], ROWS[0]])), expected[[2, 0]], atol=1e-5)
    assert not torch.allclose(SequenceLogProbability(1)(model.run(ROWS)), expected, atol=1e-2)  # the control: other answers


def test_an_answer_of_one_token_is_the_token(model):
    single = LogProbability([row[-1] for row in ROWS])(model.run([row[:-1] for row in ROWS]))
    assert torch.allclose(SequenceLogProbability(1)(model.run(ROWS)), single, atol=1e-5)


def test_the_answers_of_a_length_share_all_probability(model):
    rows = [[5, 9, *answer] for answer in itertools.product(range(VOCAB), repeat=2)]
    total = SequenceLogProbability(2)(model.run(rows)).exp().sum()
    assert total.item() == pytest.approx(1, abs=1e-4)


def test_in_sweeps_and_gradients(model):
    metric, edits = SequenceLogProbability(LENGTHS), [sonde.Scale(f"blocks.{i}.attn.z[head={h}]", -1.0) for i in range(2) for h in range(2)]
    swept = model.sweep(ROWS, edits, metric)
    for edit, values in zip(edits, swept.values, strict=True):
        assert torch.allclose(values, metric(model.run(ROWS, edits=edit)), atol=1e-4)
    assert values[0].item() == pytest.approx(by_chain(model, ROWS[0], 2, edits[-1:]), abs=1e-4)
    grads = model.grad(ROWS, metric, at="blocks.0.resid_post")["blocks.0.resid_post"]
    assert grads[0, 3].abs().sum() > 0  # the token that predicts the answer's last
    assert grads[0, 4].abs().sum() == 0  # the answer's last token itself predicts nothing that is asked


def test_refused(model):
    with pytest.raises(InputError, match=r"lengths=\[0\]: an answer has one token or more"):
        SequenceLogProbability(0)
    with pytest.raises(InputError, match="row 1 has 3 tokens, and 3 of them are its answer: nothing stands before it"):
        SequenceLogProbability(3)(model.run(ROWS[:2]))
    with pytest.raises(InputError, match="2 answers and the run 3 rows"):
        SequenceLogProbability([1, 2])(model.run(ROWS))
