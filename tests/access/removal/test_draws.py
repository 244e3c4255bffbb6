"""What is drawn for what is absent: the same rows whatever is present, or what the present parts make likely."""

import pytest
import torch
from small_models import llama, words
from torch import nn

import sonde
from sonde.access.removal import Gaussian, Interventional, Neighbours, Observational, Question, RemovalGame
from sonde.attribution import exact_shapley, occlusion
from sonde.results import InputError
from sonde.specimens.digits import held_out
from sonde.tasks import Logit, LogitDifference, LogProbability

RHO = 0.8


def linear(weights, bias=0.5):
    module = nn.Linear(len(weights), 1)
    with torch.no_grad():
        module.weight[:] = torch.tensor(weights)
        module.bias[:] = bias
    return sonde.Model(nn.Sequential(module))


def rows(n=400, mean=(1.0, -2.0, 0.5)):
    """Three columns whose sample has exactly this mean, unit variances, and a correlation of the first two."""
    torch.manual_seed(0)
    x = torch.randn(n, 3, dtype=torch.float64)
    x = x - x.mean(0)
    x = x @ torch.linalg.inv(torch.linalg.cholesky(x.T.cov())).T
    covariance = torch.eye(3, dtype=torch.float64)
    covariance[0, 1] = covariance[1, 0] = RHO
    return (x @ torch.linalg.cholesky(covariance).T + torch.tensor(mean)).float()


def test_three_removals_of_one_linear_model_differ_by_what_they_must():
    """F reads the first and the third column; the second is the first's twin, and unread."""
    weights, background, x = torch.tensor([2.0, 0.0, -1.0]), rows(), torch.tensor([[2.5, 0.5, -1.0]])
    model, mean = linear(weights.tolist()), torch.tensor([1.0, -2.0, 0.5])
    static = exact_shapley(model, x, Logit(0), baseline=torch.ones(3)).values[0]
    assert torch.allclose(static, weights * (x[0] - 1), atol=1e-5)
    marginal = exact_shapley(model, x, Logit(0), baseline=Interventional(background, draws=400))
    assert torch.allclose(marginal.values[0], weights * (x[0] - mean), atol=1e-4)
    assert torch.allclose(marginal.error[0], weights.abs() / 400**0.5, rtol=1e-3)
    conditional = exact_shapley(model, x, Logit(0), baseline=Observational(Gaussian(background), draws=8)).values[0]
    twin = 0.5 * weights[0] * RHO * (x[0, 1] - mean[1])
    expected = torch.tensor([weights[0] * (x[0, 0] - mean[0]) - twin, twin, weights[2] * (x[0, 2] - mean[2])])
    assert torch.allclose(conditional, expected, atol=1e-3) and twin > 1
    assert marginal.values[0, 1].abs() < 1e-12  # the unread column


def test_a_gaussian_draws_what_its_covariance_says():
    background, x = rows(), torch.tensor([[2.5, 0.5, -1.0]])
    question = Question.ask(linear([1.0, 0.0, 0.0]), x, Logit(0))
    present = torch.tensor([[False, True, True], [False, False, True]])
    drawn = Observational(Gaussian(background), draws=4000).values(question, 0, present)
    assert torch.allclose(drawn[0, :, 0].mean(), torch.tensor(1 + RHO * 2.5), atol=1e-3)
    assert drawn[0, :, 0].var().item() == pytest.approx(1 - RHO**2, rel=0.1)
    assert torch.corrcoef(drawn[1, :, :2].T)[0, 1].item() == pytest.approx(RHO, abs=0.03)
    assert torch.equal(drawn[1, :, 2], torch.full((4000,), -1.0))


def test_neighbours_are_the_nearest_in_what_is_present():
    known = torch.tensor([[0.0, 10.0], [1.0, 20.0], [2.0, 30.0], [3.0, 40.0]])
    question = Question.ask(linear([1.0, 1.0]), torch.tensor([[1.2, 99.0]]), Logit(0))
    drawn = Observational(Neighbours(known), draws=2).values(question, 0, torch.tensor([[True, False]]))
    assert drawn[0, :, 1].tolist() == [20, 30]
    everything = Observational(Neighbours(known), draws=4).values(question, 0, torch.tensor([[False, False]]))
    assert sorted(everything[0, :, 1].tolist()) == [10, 20, 30, 40]


def test_a_draw_is_the_same_in_all_coalitions():
    question = Question.ask(linear([1.0, 0.0, 0.0]), torch.zeros(1, 3), Logit(0))
    present = torch.tensor([[False, True, True], [False, False, True], [True, False, False]])
    for baseline in (Interventional(rows(), draws=5, seed=3), Observational(Gaussian(rows()), draws=5)):
        first, again = (baseline.values(question, 0, present[order]) for order in ([0, 1, 2], [2, 1, 0]))
        assert torch.equal(first[0], again[2]) and torch.equal(first[2], again[0])
    drawn = Interventional(rows(), draws=5, seed=3).values(question, 0, present)
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn, Interventional(rows(), draws=5, seed=4).values(question, 0, present))


def test_pictures_of_others_stand_for_squares():
    pictures, digits = held_out()
    model = sonde.load("specimen:digits")
    question = Question.ask(model, pictures[:2], Logit(digits[:2]))
    game = RemovalGame(question, 4, Interventional(pictures[10:13], draws=3))
    values = game.drawn([torch.tensor([[False, True, True, True]])] * 2)
    for example in range(2):
        mixed = pictures[example].repeat(3, 1, 1, 1)
        mixed[..., :4, :4] = pictures[10:13, :, :4, :4]
        assert sorted(values[example][0].tolist()) == pytest.approx(sorted(model.run(mixed).logits[:, digits[example]].tolist()), abs=1e-5)
    assert game.evaluations[0] <= 3


def test_other_texts_give_the_tokens_at_the_same_positions():
    model, others = words(), ["Mary and John went to the park", "The dog near the tree is", "A cat"]
    question = Question.ask(model, "The keys on the cabinet", LogitDifference(3, 5))
    baseline = Interventional(others, draws=2)
    drawn = baseline.values(question, 0, torch.zeros(1, question.value.shape[1], dtype=torch.bool))[0]
    long = {tuple(model.prepare(text).ids[0, : question.value.shape[1]].tolist()) for text in others[:2]}
    expected = {tuple(model.embed(torch.tensor(ids)).flatten().tolist()) for ids in long}
    assert {tuple(row.flatten().tolist()) for row in drawn} == expected
    with pytest.raises(InputError, match="2 of 3 background texts have the 6 tokens of example 0, and draws=3"):
        Interventional(others, draws=3).values(question, 0, torch.zeros(1, 6, dtype=torch.bool))


def frequencies(baseline, question, absent, n):
    """How often each token was drawn at one absent position."""
    present = torch.ones(1, question.value.shape[1], dtype=torch.bool)
    present[0, absent] = False
    drawn = baseline.values(question, 0, present)[0, :, absent]
    table = question.model.embed(torch.arange(question.model.architecture.d_vocab)).detach()
    ids = torch.cdist(drawn, table).argmin(-1)
    return torch.bincount(ids, minlength=len(table)) / n


def test_a_masked_model_draws_from_its_conditional():
    model, n = sonde.load("specimen:mask"), 400
    question = Question.ask(model, "Mary and John went to the [MASK]", LogProbability(7, pos=-2))
    hidden = question.run.ids.clone()
    hidden[0, 2] = 4
    p = model.run(hidden).logits[0, 2].softmax(-1)
    found = frequencies(Observational(model, draws=n), question, 2, n)
    assert (found - p).abs().sum() / 2 < 0.15  # total variation
    uniform = torch.full_like(p, 1 / len(p))
    assert (found - uniform).abs().sum() / 2 > 0.3


def test_a_masked_model_fills_several_in_given_each_other():
    """Both absent: the second is drawn given the first, so that the pair has the joint distribution of its order."""
    model, n = sonde.load("specimen:mask"), 64
    question = Question.ask(model, "Mary and John went to the [MASK]", LogProbability(7, pos=-2))
    baseline = Observational(model, draws=n)
    present = torch.ones(2, question.value.shape[1], dtype=torch.bool)
    present[0, [2, 3]] = False
    present[1, 2] = False
    both, one = baseline.values(question, 0, present)
    assert torch.equal(both[:, 1], one[:, 1]) and not torch.equal(both[:, 3], one[:, 3])


def test_a_masked_model_of_another_vocabulary_is_translated_by_text_or_refused():
    filler, model = sonde.load("specimen:mask"), words()
    question = Question.ask(model, "The keys on the cabinet", LogitDifference(3, 5))
    drawn = Observational(filler, draws=3).values(question, 0, torch.tensor([[True, True, False, True, True, True]]))
    table = model.embed(torch.arange(model.architecture.d_vocab)).detach()
    ids = torch.cdist(drawn[0], table).argmin(-1)
    assert torch.equal(ids[:, [0, 1, 3, 4, 5]], question.run.ids[:, [0, 1, 3, 4, 5]].expand(3, 5))
    assert all(text.startswith(" ") for text in model.tokenizer.strings(ids[:, 2].tolist()))
    other = Question.ask(model, "The keys #", LogitDifference(3, 5))
    with pytest.raises(InputError, match="'specimen:mask' has no token"):
        Observational(filler, draws=1).values(other, 0, torch.zeros(1, other.value.shape[1], dtype=torch.bool))


def test_a_causal_model_draws_from_the_left_and_says_so():
    model, n = words(), 400
    question = Question.ask(model, "The keys on the cabinet", LogitDifference(3, 5))
    p = model.run([question.run.ids[0, :3].tolist()]).last_logits[0].softmax(-1)
    baseline = Observational(model, draws=n)
    assert (frequencies(baseline, question, 3, n) - p).abs().sum() / 2 < 0.15
    other = Question.ask(model, "The keys on a tree", LogitDifference(3, 5))
    assert torch.equal(frequencies(baseline, other, 3, n), frequencies(baseline, question, 3, n))  # right of it anything may stand
    result = occlusion(model, "The keys on", LogitDifference(3, 5), baseline=Observational(model, draws=2))
    assert any("left of it" in note for note in result.notes) and "causal language model" in result.absent
    assert result.error is not None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Observational(torch.zeros(3)), "draws nothing: give a language model"),
        (lambda: Observational(linear([1.0])), "fills in no tokens"),
        (lambda: Observational(words(), draws=0), "draws=0"),
        (lambda: Interventional(torch.zeros(0, 3)), "a background of 0 inputs"),
        (lambda: Gaussian(torch.zeros(3, 3)), "3 rows do not tell the covariance of 3 columns"),
        (lambda: Gaussian(torch.zeros(9)), r"shape \(9,\): give two or more rows"),
        (lambda: Neighbours(torch.full((3, 2), torch.nan)), "two or more rows of finite numbers"),
        (lambda: occlusion(linear([1.0, 2.0]), torch.zeros(1, 2), Logit(0), baseline=Interventional(torch.zeros(4, 3))), "shape"),
        (lambda: occlusion(linear([1.0, 2.0]), torch.zeros(1, 2), Logit(0), baseline=Observational(Gaussian(rows()))), "rows of 3 columns"),
        (lambda: occlusion(linear([1.0, 2.0]), torch.zeros(1, 2), Logit(0), baseline=Observational(words())), "holds none with a text"),
        (lambda: occlusion(words(), "The keys", LogitDifference(3, 5), baseline=Observational(words()), special=True), "nothing left of it"),
        (lambda: occlusion(words(), "The keys", LogitDifference(3, 5), baseline=Observational(llama())), "has no token|another beginning"),
    ],
)
def test_refusals(call, message, unchecked):
    with pytest.raises(InputError, match=message):
        call()
