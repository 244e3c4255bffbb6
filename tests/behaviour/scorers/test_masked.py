"""Pseudo-log-likelihood: each token hidden in turn, by hand; within words also what follows."""

import math

import pytest
import torch
from tiny_encoders import build
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers, processors

import sonde
from sonde.access import Tokenizer
from sonde.behaviour import minimal_pairs, sentence_scores
from sonde.behaviour.pairs import Pair
from sonde.results import InputError

PIECES = ["[PAD]", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "the", "key", "##s", "##hole", "are", "is", "old", "."]


@pytest.fixture(scope="module")
def model():
    """A random BERT whose tokenizer cuts words into pieces."""
    backend = Backend(models.WordPiece({piece: i for i, piece in enumerate(PIECES)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)])
    backend.add_special_tokens(PIECES[:5])
    return sonde.load(build("bert"), Tokenizer(backend, pad_id=0))


def by_hand(model, row, hidden):
    """The log-probability of token i of a row in which the tokens `hidden[i]` are masked, summed over i."""
    total = 0.0
    for i, also in hidden.items():
        ids = torch.tensor([[3 if j in also else token for j, token in enumerate(row)]])
        with torch.no_grad():
            total += float(model.module(ids).logits[0, i].log_softmax(-1)[row[i]])
    return total


ROW = [1, 5, 6, 7, 8, 9, 12, 2]  # [CLS] the key ##s ##hole are . [SEP]
TEXT = "the keyshole are."


@pytest.mark.parametrize("size", ["auto", 1, 4])
def test_every_token_hidden_in_turn(model, size):
    assert model.tokenizer.encode(TEXT) == ROW
    expected = by_hand(model, ROW, {i: {i} for i in range(1, 7)})
    assert sentence_scores(model, [TEXT, "the key is old."], "pll", batch_size=size)[0].item() == pytest.approx(expected, abs=1e-5)


def test_within_a_word_what_follows_is_hidden_too(model):
    expected = by_hand(model, ROW, {1: {1}, 2: {2, 3, 4}, 3: {3, 4}, 4: {4}, 5: {5}, 6: {6}})
    found = sentence_scores(model, [TEXT], "pll-word-l2r").item()
    assert found == pytest.approx(expected, abs=1e-5)
    assert found == sentence_scores(model, [TEXT]).item() != pytest.approx(sentence_scores(model, [TEXT], "pll").item(), abs=1e-3)


def test_words_of_one_piece_are_the_same_either_way(model):
    first, second = (sentence_scores(model, ["the key is old."], method).item() for method in ("pll", "pll-word-l2r"))
    assert first == pytest.approx(second, abs=1e-6) and math.isfinite(first)


def test_the_specimen_prefers_what_agrees():
    pairs = [
        Pair("The keys on the cabinet are old.", "The keys on the cabinet is old."),
        Pair("The key on the cabinets is old.", "The key on the cabinets are old."),
    ]
    assert minimal_pairs(sonde.load("specimen:mask"), pairs).right.tolist() == [[True, True]]


def test_what_reads_from_left_to_right_is_refused(model):
    with pytest.raises(InputError, match="fills in hidden tokens"):
        minimal_pairs(model, [Pair("the key is", "the key are")], "one-prefix")
    with pytest.raises(InputError, match="has no mask token"):
        other = Backend(models.WordLevel({"a": 0}, unk_token="a"))
        sentence_scores(sonde.load(build("bert"), Tokenizer(other)), ["a"])
