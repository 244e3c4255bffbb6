"""Scores of whole sentences are the sums that a hand computes, whatever the batch, the company, and what stands before a text."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import bare
from tiny_tokenizer import words
from torch import nn

import sonde
from sonde.access import Tokenizer
from sonde.behaviour import sentence_scores
from sonde.behaviour.scorers import CausalScorer
from sonde.results import InputError


class Bigram(nn.Module):
    """Says after each token what its table says."""

    def __init__(self, table):
        super().__init__()
        self.table = nn.Parameter(table)

    def forward(self, ids):
        return self.table[ids]


TABLE = torch.randn(40, 40, generator=torch.Generator().manual_seed(0))
TEXTS = ["w3 w1 w4", "w3 w1 w4 w1 w5", "w9", "w3 w1 w4"]


def bigram(**tokenizer):
    return sonde.load(Bigram(TABLE), Tokenizer(words(), **tokenizer))


def by_hand(row):
    return math.fsum(float(TABLE[a].log_softmax(0)[b]) for a, b in itertools.pairwise(row))


def ids(text):
    return [int(word[1:]) for word in text.split()]


def test_a_bigram_s_own_sums():
    found = sentence_scores(bigram(bos_id=7), TEXTS).tolist()
    assert found == pytest.approx([by_hand([7, *ids(text)]) for text in TEXTS], abs=1e-6)


def test_what_stands_before_a_text():
    """Nothing: the first token counts in no score; the end-of-sequence token only where it is asked for."""
    model = bigram(eos_id=8)
    assert sentence_scores(model, TEXTS).tolist() == pytest.approx([by_hand(ids(text)) for text in TEXTS], abs=1e-6)
    assert sentence_scores(model, TEXTS, bos="eos").tolist() == pytest.approx([by_hand([8, *ids(text)]) for text in TEXTS], abs=1e-6)
    assert "no probability" in CausalScorer(model).notes[0] and "'w8'" in CausalScorer(model, "eos").notes[0]
    both = bigram(bos_id=7, eos_id=8)
    assert sentence_scores(both, TEXTS, bos=False).tolist() == pytest.approx([by_hand(ids(text)) for text in TEXTS], abs=1e-6)


@pytest.mark.parametrize("normalise, units", [("tokens", [3, 5]), ("words", [3, 5]), ("characters", [8, 14])])
def test_normalised(normalise, units):
    model = bigram(bos_id=7)
    plain, found = (sentence_scores(model, TEXTS[:2], normalise=by) for by in (None, normalise))
    assert found.tolist() == pytest.approx((plain / torch.tensor(units)).tolist())


def test_only_scored_tokens_divide():
    """Without a token before it, a text of three tokens has two that are scored."""
    assert sentence_scores(bigram(), TEXTS[:1], normalise="tokens").tolist() == pytest.approx([by_hand([3, 1, 4]) / 2], abs=1e-6)


LLAMA = sonde.load(bare("llama"), Tokenizer(words(), bos_id=1))
SENTENCES = st.lists(st.lists(st.integers(2, 5).map("w{}".format), min_size=1, max_size=9).map(" ".join), min_size=1, max_size=8)


@settings(max_examples=12, deadline=None)
@given(texts=SENTENCES, size=st.sampled_from(["auto", 1, 3]), seed=st.integers(0, 99))
def test_batch_order_and_company_change_nothing(texts, size, seed):
    order = torch.randperm(len(texts), generator=torch.Generator().manual_seed(seed)).tolist()
    alone = [sentence_scores(LLAMA, [text]).item() for text in texts]
    together = sentence_scores(LLAMA, [texts[i] for i in order], batch_size=size)
    assert together.tolist() == pytest.approx([alone[i] for i in order], abs=2e-5)


def test_a_module_that_looks_ahead_is_refused():
    class Ahead(Bigram):
        def forward(self, ids):
            return self.table[ids] + self.table[ids].mean(1, keepdim=True)

    with pytest.raises(InputError, match="looks at later tokens"):
        sentence_scores(sonde.load(Ahead(TABLE), Tokenizer(words(), bos_id=7)), TEXTS)


def test_mistakes():
    for wrong, what in (({"method": "best"}, "method='best'"), ({"normalise": "lines"}, "normalise='lines'"), ({"bos": "start"}, "bos='start'")):
        with pytest.raises(InputError, match=what):
            sentence_scores(bigram(bos_id=7), TEXTS, **wrong)
    for wrong, what in (
        ({"bos": True}, "bos=True"),
        ({"bos": "eos"}, "no end-of-sequence token"),
        ({"method": "pll"}, "no masked language model"),
    ):
        with pytest.raises(InputError, match=what):
            sentence_scores(bigram(), TEXTS, **wrong)
    with pytest.raises(InputError, match="is no text"):
        sentence_scores(bigram(), ["w1 w2", " "])
    with pytest.raises(InputError, match=r"the context of .* is 12"):
        sentence_scores(LLAMA, ["w2 " * 20])
