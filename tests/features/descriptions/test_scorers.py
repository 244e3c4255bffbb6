"""Judges that know all, nothing, and the opposite get the best score, chance, and the worst, in every scorer."""

import math
import re
from collections import Counter

import pytest
import torch
from planted_rules import RULES, planted
from scripted_clients import Scripted

from sonde.features.descriptions import (
    Answer,
    AskingJudge,
    Detection,
    Embedding,
    Fuzzing,
    Grid,
    Intruder,
    Outcome,
    RuleJudge,
    Simulation,
    Surprisal,
    TfIdf,
    sampled,
)

SCORERS = [Detection(), Fuzzing(), Simulation(), Intruder()]


def split(text):
    return re.findall(r" ?[^\s.,]+|[.,]", text)


def mary(tokens):
    return [token == " Mary" for token in tokens]


def drawn(size):
    """Of the latent that fires on " Mary", always equally strongly, so that a perfect simulation is perfect."""
    recording = planted(texts=200, n_random=1, rules={"token": RULES["token"], "after": RULES["after"]})
    recording.codes.values.fill_(2.0)
    return sampled(*(Grid(half, size) for half in recording.split(0)), 0, n=50)


@pytest.fixture(scope="module")
def examples():
    return drawn(8)


@pytest.mark.parametrize("scorer", SCORERS, ids=lambda scorer: scorer.name)
def test_perfect_random_and_inverted_judges(scorer, examples):
    found = {}
    for manner in ("perfect", "random", "inverted"):
        score = scorer.score(AskingJudge(Scripted(mary, manner, split)), "the planted rule", examples)
        assert score.n > 20 and score.failures == 0
        found[manner] = score.value
    assert found["perfect"] == pytest.approx(scorer.best)
    assert found["inverted"] == pytest.approx({"simulation": -1.0}.get(scorer.name, 0.0))
    assert abs(found["random"] - scorer.chance) < 3 * 0.5 / math.sqrt(score.n)


@pytest.mark.parametrize("scorer", SCORERS, ids=lambda scorer: scorer.name)
def test_rules_are_followed(scorer, examples):
    right, wrong, unread = (scorer.score(RuleJudge(), text, examples) for text in ('on " Mary"', 'on " of"', "a woman"))
    assert right.value == pytest.approx(scorer.best)
    assert wrong.value < scorer.chance + 0.2
    # what nobody can read is chance, and counted
    assert unread.value == pytest.approx(scorer.chance) and unread.failures == unread.n


class Halting(Scripted):
    """Every other answer is no answer."""

    def complete(self, prompts, max_tokens):
        return [Answer("I can't say" if i % 2 else answer.text) for i, answer in enumerate(super().complete(prompts, max_tokens))]


def test_half_of_the_answers_unread(examples):
    """They count as guesses: a perfect judge falls half of the way to chance, never is it scored on its readable answers alone."""
    score = Detection().score(AskingJudge(Halting(mary, "perfect", split)), "the planted rule", examples)
    assert score.failures == score.n // 2 and score.value == pytest.approx(0.75, abs=0.02)


class Comparing(Scripted):
    """Never reads the description: of several texts it says yes to those with the word that most of them share."""

    def answer(self, prompt):
        texts = [set(split(text)) for text in re.findall(r"^(?:Text: |\d+\. )'(.*)'$", prompt, re.MULTILINE)]
        common = Counter(word for text in texts for word in sorted(text)).most_common(1)[0][0]
        return "5" if len(texts) == 1 else str([10 if common in text else 0 for text in texts])


def test_texts_in_one_prompt_leak():
    """A judge that never reads the description scores well when it sees five texts at a time, and chance with one; so one is the default."""
    client, examples = Comparing(mary, "perfect", split), drawn(4)
    assert Detection().score(AskingJudge(client), "anything", examples).value == 0.5
    assert Detection().score(AskingJudge(client, together=5), "anything", examples).value > 0.6
    assert AskingJudge(client).together == 1 and "5 texts in one prompt" in AskingJudge(client, together=5).name


def test_a_judge_sees_no_activation(examples):
    client = Scripted(mary, "perfect", split)
    for scorer in SCORERS:
        scorer.score(AskingJudge(client), "the planted rule", examples)
    assert not [prompt for prompt in client.asked if "2.0" in prompt]


def test_false_marks_are_as_many_as_true_ones(examples):
    client = Scripted(mary, "perfect", split)
    Fuzzing().score(AskingJudge(client), "the planted rule", examples)
    counts = [prompt.count("<<") for prompt in client.asked]
    half = len(counts) // 2
    firing = [sum(a > 0 for a in example.activations) for example in examples.firing]
    assert sorted(counts) == sorted(firing) and half


def test_simulation_is_not_fitted(examples):
    """Predictions of half the height have the full correlation, and lose in R^2."""
    halved = Simulation().score(RuleJudge(), 'on " Mary" (100 %, at 50 %)', examples)
    assert halved.value == pytest.approx(1.0) and halved.details["r2"] == pytest.approx(1 - 0.25 / (1 - share(examples)), abs=0.01)


def share(examples):
    """The share of tokens that fire."""
    activations = [a > 0 for example in examples.judged for a in example.activations]
    return sum(activations) / len(activations)


class Placed:
    """An embedder that knows where the texts lie."""

    name = "placed"

    def __init__(self, sign):
        self.sign = sign

    def similarity(self, query, texts):
        return self.sign * torch.tensor([float(" Mary" in text) for text in texts])


def test_embedding(examples):
    values = [Embedding(Placed(sign)).score(RuleJudge(), "x", examples).value for sign in (1, 0, -1)]
    assert values == [1.0, 0.5, 0.0]
    assert Embedding(TfIdf()).score(RuleJudge(), "Mary", examples).value > 0.99
    assert Embedding(TfIdf()).score(RuleJudge(), "Zürich", examples).value == pytest.approx(0.5, abs=0.1)


class Expecting:
    """A reader whom a description makes expect the texts that hold a word of it."""

    def __init__(self, sign):
        self.sign = sign

    def surprisal(self, prefixes, texts):
        return [5.0 - self.sign * (("Mary" in before) and (" Mary" in text)) for before, text in zip(prefixes, texts, strict=True)]


def test_surprisal(examples):
    values = [Surprisal(Expecting(sign)).score(RuleJudge(), "the name Mary", examples).value for sign in (1, 0, -1)]
    assert values == [1.0, 0.5, 0.0]
    assert Surprisal(Expecting(1)).score(RuleJudge(), "a river", examples).value == 0.5


def test_promised_tokens_decide_outcomes():
    this, other = Outcome((" are", " is"), " are here"), Outcome((" the",), " the")
    assert RuleJudge().shows('on " x". Promotes " are".', [(this, other), (other, this), (other, other)]) == [1.0, 0.0, 0.5]
    assert RuleJudge().shows("what?", [(this, other)]) == [None]
