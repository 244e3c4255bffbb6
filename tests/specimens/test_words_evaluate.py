"""The measures of the card, on models whose answers are known beforehand."""

import random

import pytest
import torch

from sonde.nn import Transformer, TransformerConfig
from sonde.specimens.measures import share
from sonde.specimens.words import copying, evaluate, giving, people
from sonde.specimens.words.examiner import Examiner
from sonde.specimens.words.tokenizer import VOCABULARY

SHAPE = TransformerConfig(n_layers=1, d_model=8, n_heads=4, d_mlp=8, d_vocab=VOCABULARY, n_ctx=128)


@pytest.fixture
def examiner(tokenizer):
    torch.manual_seed(0)
    return Examiner(Transformer(SHAPE), tokenizer)


def always(examiner, word):
    """Make the model answer one word to everything."""
    model = examiner.model
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.final_norm.bias.fill_(1.0)
        model.embed.weight[examiner.token(word)] = 1.0


@pytest.mark.parametrize(("right", "n", "low", "high"), [(10, 10, 0.722, 1.0), (0, 10, 0.0, 0.278), (50, 100, 0.404, 0.596), (81, 263, 0.255, 0.366)])
def test_wilson_interval_against_published_values(right, n, low, high):
    """The last is Newcombe's example (1998); the others follow from p' = (p + z^2 / 2n) / (1 + z^2 / n)."""
    measure = share("", [True] * right + [False] * (n - right), "")
    assert (measure.low, measure.high) == pytest.approx((low, high), abs=1e-3)


def test_a_model_that_always_says_mary(examiner):
    always(examiner, " Mary")
    rng = random.Random(0)
    documents = [giving.indirect_object(rng, kind="two") for _ in range(200)]
    expected = [document.truth.receivers == ("Mary",) for document in documents]
    assert any(expected)
    assert examiner.names_whom(documents) == expected
    assert examiner.tops(documents) == expected


def test_a_model_that_always_says_them(examiner):
    always(examiner, " them")
    rng = random.Random(0)
    documents = [giving.indirect_object(rng, kind=kind) for kind in ("two", "newcomer") for _ in range(20)]
    assert examiner.names_whom(documents) == [False] * 20 + [True] * 20


def test_a_model_that_always_says_she(examiner):
    always(examiner, " she")
    rng = random.Random(0)
    documents = [people.pronoun(rng) for _ in range(100)]
    assert examiner.prefers(documents) == [d.truth.gender == "female" for d in documents]


def test_prompts_of_other_lengths_do_not_leak(examiner):
    prompts = ["The keys on the cabinet", "When Mary and John went to the shop, John gave a book to"]
    together = examiner.ask(prompts)
    for row, prompt in zip(together, prompts, strict=True):
        torch.testing.assert_close(row, examiner.ask([prompt])[0])


def test_an_untrained_model_copies_nothing_and_has_no_roles(examiner):
    first, second = copying.copy_losses(examiner)
    assert (second / first).mean().item() == pytest.approx(1, abs=0.01)
    for heads in copying.head_roles(examiner).values():
        assert all(score < 0.2 for _, score in heads)
    assert all(kernel.__name__ == "sdpa_attention_forward" for kernel in (a.kernel for a in examiner.model.attentions))


def test_all_measures_have_their_interval(examiner):
    measured = evaluate.measures(examiner.model, examiner.tokenizer, n=20)
    assert len({m.name for m in measured}) == len(measured)
    for m in measured:
        assert m.low <= m.value <= m.high, m
        assert m.n >= 5, m
