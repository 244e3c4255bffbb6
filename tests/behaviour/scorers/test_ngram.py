"""Interpolated Kneser-Ney: by hand on a tiny text, and over any vocabulary its probabilities sum to one."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sonde.behaviour import NGram, sentence_scores
from sonde.behaviour.scorers.ngram import BEGIN
from sonde.results import InputError


def distribution(model, before):
    """The probability of every word, of unknown ones and of the end after some words."""
    ids = [model.vocabulary.get(word, 0) for word in before]
    return [math.exp(row[-1]) for row in model.score([[BEGIN, *ids, i] for i in range(len(model.frequency)) if i != BEGIN])]


def test_a_bigram_model_by_hand():
    """ "a b" and "a c", discounts of one half (no count occurs as often as four): the vocabulary is a, b, c, end and unknown.

    Lower order: how many different words stood before: a 1 (begin), b 1, c 1, end 2 (b, c): five in all. Each is discounted by one half, so that
    4 x 0.5 of 5 go to the uniform distribution over five words: p(b) = (1 - .5) / 5 + (2 / 5) / 5.
    """
    model = NGram.train("a b\na c", order=2)
    lower = {word: (n - 0.5) / 5 + (2 / 5) / 5 for word, n in {"a": 1, "b": 1, "c": 1}.items()}
    assert model.probability(["a"], "b") == pytest.approx((1 - 0.5) / 2 + (2 * 0.5 / 2) * lower["b"])
    assert model.probability(["a"], "a") == pytest.approx((2 * 0.5 / 2) * lower["a"])
    assert model.probability([], "a") == pytest.approx((2 - 0.5) / 2 + (0.5 / 2) * lower["a"])
    assert model.probability(["z"], "b") == pytest.approx(lower["b"])  # nothing is known after an unknown word
    assert model.probability(["a"], "z") == pytest.approx((2 * 0.5 / 2) * (2 / 5) / 5)


def test_chen_and_goodman_s_discounts():
    """Unigrams of counts 1, 1, 1, 2, 2, 3, 4 and the ends: Y = n1 / (n1 + 2 n2), D1 = 1 - 2 Y n2 / n1 and so on."""
    model = NGram.train("a b c d d e e f f f g g g g", order=1)
    n1, n2, n3, n4 = 4, 2, 1, 1  # the end was seen once
    y = n1 / (n1 + 2 * n2)
    d1, d2, d3 = 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3
    mass = (n1 * d1 + n2 * d2 + (n3 + n4) * d3) / 15
    assert model.probability([], "a") == pytest.approx((1 - d1) / 15 + mass / 9)
    assert model.probability([], "d") == pytest.approx((2 - d2) / 15 + mass / 9)
    assert model.probability([], "g") == pytest.approx((4 - d3) / 15 + mass / 9)
    assert model.probability([], "z") == pytest.approx(mass / 9)


@settings(max_examples=25, deadline=None)
@given(
    sentences=st.lists(st.lists(st.sampled_from("abcde"), min_size=1, max_size=7).map(" ".join), min_size=1, max_size=8),
    before=st.lists(st.sampled_from("abcdez"), max_size=6),
    order=st.integers(1, 5),
    at_least=st.integers(1, 2),
)
def test_probabilities_sum_to_one(sentences, before, order, at_least):
    assert math.fsum(distribution(NGram.train("\n".join(sentences), order, at_least=at_least), before)) == pytest.approx(1, abs=1e-12)


def test_longer_contexts_are_used():
    """What only a trigram can know; the control is the bigram model, which can't."""
    text = "\n".join(["a x b", "c x d"] * 20)
    for order, share in ((3, 0.9), (2, 0.5)):
        model = NGram.train(text, order)
        right = model.probability(["a", "x"], "b")
        assert right / (right + model.probability(["a", "x"], "d")) == pytest.approx(share, abs=0.1)


def test_the_order_of_sentences_begins_anew():
    """No n-gram reaches over the end of a sentence."""
    assert NGram.train("a b\nc d", 3).probability(["b"], "c") == pytest.approx(NGram.train("c d\na b", 3).probability(["b"], "c"))


def test_the_control_is_a_bag_of_words():
    """Sentences of the same words tie exactly, whatever the order of the terms; with their order they do not."""
    model = NGram.train("the dog that saw the cat sleeps. the cat that saw the dog ran away. a dog ran.", 3)
    texts = ["the dog that saw a cat ran away", "away ran cat a saw that dog the"]
    bag = model.control(0)
    first, second = sentence_scores(bag, texts).tolist()
    assert first == second and model.control(1) is None
    first, second = sentence_scores(model, texts).tolist()
    assert first > second


def test_words_and_their_places():
    model = NGram.train("The dog's ball, isn't it?", 2, lower=True)
    assert [("The dog's ball.")[a:b] for a, b in model.spans("The dog's ball.")] == ["The", "dog's", "ball", "."]
    (row,) = model.rows(["THE zebra."])
    assert model.unknown([row]) == 2  # zebra, and the full stop that was never seen


def test_mistakes(tmp_path):
    with pytest.raises(InputError, match="order=0"):
        NGram.train("a b", 0)
    with pytest.raises(InputError, match="no words to count"):
        NGram.train(" \n ")
    with pytest.raises(InputError, match="can't be read as a text"):
        NGram.from_file(tmp_path / "none.txt")
