"""Minimal pairs: a planted grammar gets them all, its copy without agreement half of them; ties, intervals, prefixes and examples by hand."""

import itertools
import math

import pytest
import torch
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers
from torch import nn

import sonde
from sonde.access import Tokenizer
from sonde.behaviour import MinimalPairs, NGram, Pair, Published, minimal_pair, minimal_pairs
from sonde.behaviour.pairs import Critical
from sonde.behaviour.pairs.shares import Share, of_pairs, of_paradigms
from sonde.results import CheckRefused, InputError

NOUNS = {"key": 1, "dog": 1, "car": 1, "keys": -1, "dogs": -1, "cars": -1}
VERBS = {"is": 1, "runs": 1, "are": -1, "run": -1}
WORDS = ["<bos>", "the", "near", "old", "a", *NOUNS, *VERBS]
OTHER = Pair("the old key runs", "old the key runs", "order", "order")


def agreement():
    """ "the key near the dogs is" against "... are": every pair of nouns of any number, and two pairs of verbs."""
    found = []
    for (subject, number), other, (singular, plural) in itertools.product(NOUNS.items(), NOUNS, (("is", "are"), ("runs", "run"))):
        good, bad = (singular, plural) if number > 0 else (plural, singular)
        attracts = "attractor" if NOUNS[other] != number else "same number"
        found.append(Pair(f"the {subject} near the {other} {good}", f"the {subject} near the {other} {bad}", attracts, "subject-verb"))
    return found


class Grammar(nn.Module):
    """Verbs agree with the first noun by `strength`; articles like to stand before nouns."""

    def __init__(self, strength):
        super().__init__()
        likes = torch.randn(len(WORDS), len(WORDS), generator=torch.Generator().manual_seed(0))
        likes[WORDS.index("<bos>"), WORDS.index("the")] = 5
        self.likes = nn.Parameter(likes)
        self.register_buffer("strength", torch.tensor(strength))
        self.number = nn.Parameter(torch.tensor([float(NOUNS.get(word, 0)) for word in WORDS]))
        self.register_buffer("sign", torch.tensor([float(VERBS.get(word, 0)) for word in WORDS]))

    def forward(self, ids):
        number = self.number[ids]
        first = (number != 0) & ((number != 0).cumsum(1) == 1)
        subject = (number * first).cumsum(1)
        return self.likes[ids] * (1 - self.sign.abs() * 0.5) + self.strength * subject[..., None] * self.sign


def model(strength, name):
    backend = Backend(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="a"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return sonde.Model(Grammar(strength), Tokenizer(backend, bos_id=0), name)


@pytest.fixture(scope="module")
def result():
    return minimal_pairs([model(9.0, "grammar"), model(0.0, "blind")], [*agreement(), OTHER])


def test_a_planted_grammar_and_its_blind_copy(result):
    """The copy prefers a verb whatever the subject, so it gets half of the subjects right; what is not agreement is as before."""
    grammar, blind = result.by_phenomenon
    assert grammar["subject-verb"].value == 1.0
    assert blind["subject-verb"].value == pytest.approx(0.5, abs=0.03)
    assert grammar["order"].value == blind["order"].value == 1.0
    assert result.ties == [0, 0] and result.complete is False


def test_each_score_is_the_sum_of_one_forward(result):
    module = Grammar(9.0).requires_grad_(False)
    for i in (0, 5, 17):
        for scores, text in ((result.good, result.pairs[i].good), (result.bad, result.pairs[i].bad)):
            row = [0, *(WORDS.index(word) for word in text.split())]
            told = module(torch.tensor([row]))[0].log_softmax(-1)
            assert float(scores[0, i]) == pytest.approx(sum(float(told[t, row[t + 1]]) for t in range(len(row) - 1)), abs=1e-5)


def test_means_are_over_paradigms():
    """Nine pairs of one paradigm and one of the other weigh alike; one tie counts as wrong."""
    assert of_paradigms([of_pairs([True] * 9), of_pairs([False])]).value == 0.5
    equal = of_paradigms([of_pairs([True, False])] * 2)
    assert equal.low < 0.5 < equal.high  # two that agree by chance do not make the mean sure
    assert of_paradigms([Share(0.5, 0.4, 0.6, 10)]) == Share(0.5, 0.4, 0.6, 1)


def test_a_bag_of_words_ties_on_the_same_words_and_is_flagged():
    bag = NGram.train("the old key runs. a dog near the car is old.", 3).control(0)
    found = minimal_pairs(bag, [OTHER, Pair("the key is", "the key are")])
    assert found.identical_ties == [(1, 1)] and found.ties == [1]
    assert found.right.tolist() == [[False, True]]
    assert "ties count as wrong" in found.drawing().data["parts"][0]["drawing"]["note"]


def test_prefix_methods_by_hand():
    """One-prefix compares the two verbs; two-prefix the word after what differs; both follow from the table of the grammar."""
    one = model(9.0, "grammar")
    module, pair = one.module.requires_grad_(False), Pair("the key near the dogs is old", "the key near the dogs are old")

    def told(text, word):
        ids = torch.tensor([[0, *(WORDS.index(w) for w in text.split())]])
        return float(module(ids)[0, -1].log_softmax(-1)[WORDS.index(word)])

    found = minimal_pairs(one, [pair], "one-prefix")
    assert [found.good.item(), found.bad.item()] == pytest.approx([told("the key near the dogs", word) for word in ("is", "are")], abs=1e-5)
    found = minimal_pairs(one, [pair], "two-prefix")
    assert [found.good.item(), found.bad.item()] == pytest.approx([told(f"the key near the dogs {word}", "old") for word in ("is", "are")], abs=1e-5)
    given = Pair(pair.good, pair.bad, one_prefix=Critical(("the dog", "runs"), ("the dog", "run")), unsuited=("two-prefix",))
    found = minimal_pairs(one, [given], "one-prefix")
    assert found.good.item() == pytest.approx(told("the dog", "runs"), abs=1e-5)
    with pytest.raises(InputError, match="two-prefix does not suit it"):
        minimal_pairs(one, [given], "two-prefix")


def test_pieces_of_a_word_are_summed():
    """A tokenizer that cuts words: the critical word's score is the sum over its pieces."""
    from small_models import llama

    one = llama()
    found = minimal_pairs(one, [Pair("The dog near the tree sleeps well.", "The dog near the tree sleepz well.")], "one-prefix")
    for scores, word in ((found.good, "sleeps"), (found.bad, "sleepz")):
        before, whole = (one.tokenizer.encode(text) for text in ("The dog near the tree", f"The dog near the tree {word}"))
        assert whole[: len(before)] == before and len(whole) > len(before) + 1
        logits = one.run([whole]).logits[0].log_softmax(-1)
        expected = sum(float(logits[t - 1, whole[t]]) for t in range(len(before), len(whole)))
        assert scores.item() == pytest.approx(expected, abs=1e-4)


def test_what_can_t_be_scored_is_named_and_the_rest_goes_on():
    pairs = [
        Pair("the key is", "the key are"),
        Pair("the key", "the key"),
        Pair("key", "keys"),
        Pair("the " * 30 + "key is", "the key are", place="f:4"),
    ]
    from tiny_models import bare
    from tiny_tokenizer import words

    found = minimal_pairs(sonde.load(bare("llama"), Tokenizer(words(), bos_id=1)), pairs)
    assert len(found.problems) == 2 and "pair 1: both sentences are 'the key'" in found.problems[0]
    assert found.problems[1].startswith("f:4: LlamaForCausalLM: ") and "context" in found.problems[1]
    assert len(found.pairs) == 3 and found.good.isfinite().tolist() == [[True, True, False]]
    assert found.by_paradigm[0]["pairs"].n == 2


def test_first_words_that_no_probability_tells_apart():
    """Without a token before them they are in no score, and the note says so."""
    one = model(9.0, "grammar")
    found = minimal_pairs(one, [Pair("key runs", "keys runs"), Pair("the key is", "the key are")], bos=False)
    assert any("1 pairs differ in their first token" in note for note in found.notes)


def test_published_rows_are_shown_as_theirs(result):
    theirs = Published("somebody", {"attractor": 0.8, "same number": 0.6, "order": 1.0}, "file")
    shown = minimal_pairs(model(9.0, "grammar"), result.pairs, published=[theirs, Published("partial", {"order": 1.0}, "file")])
    assert shown.theirs(theirs) == pytest.approx({"overall": 0.8, "subject-verb": 0.7, "order": 1.0})
    table = shown.drawing().data["parts"][0]["drawing"]["data"]
    assert [row[0] for row in table["rows"]] == ["grammar", "somebody"] and not any(table["best"][1])


def test_check(result):
    """What the grammar knows holds against the same network with its numbers in random order; what the blind copy gets is no knowledge."""
    grammar = minimal_pairs(model(9.0, "grammar"), agreement())
    (verdict,) = grammar.check(model(9.0, "grammar"), per_paradigm=40)
    assert verdict.n == 2 and verdict.holds is None and "too little" in verdict.reason  # two paradigms are no sample of paradigms
    verdicts = result.check(model(9.0, "grammar"), per_paradigm=40)
    by_claim = {one.claim: one for one in verdicts}
    assert by_claim["grammar prefers acceptable sentences, by what it learnt in subject-verb."].holds is True
    assert {one.claim: one for one in result.check(model(0.0, "blind"), per_paradigm=40)}[
        "blind prefers acceptable sentences, by what it learnt in subject-verb."
    ].holds is False  # fmt: skip
    with pytest.raises(CheckRefused, match="none of them"):
        result.check(model(3.0, "grammar"))


def test_it_can_be_kept(result, tmp_path):
    again = MinimalPairs.load(result.save(tmp_path / "kept"))
    assert again.overall == result.overall and again.pairs == result.pairs and again.disagreeing == result.disagreeing
    frame, table = result.to_frame(), result.table()
    assert frame.height == 2 * len(result.pairs) and frame["right"].sum() == int(result.right.sum())
    assert (
        table.filter((table["model"] == "grammar") & (table["phenomenon"] == "subject-verb") & (table["paradigm"] == "*"))["accuracy"].item() == 1.0
    )


def test_hardest_and_disagreeing(result):
    """The blind copy's worst pairs, token by token; the grammar has none; they disagree on the copy's mistakes."""
    margin = result.good - result.bad
    assert {one.model for one in result.hardest} == {"blind"}
    assert result.hardest[0].margin == pytest.approx(float(margin[1].min()))
    worst = result.hardest[0]
    assert "".join(worst.bad.pieces) == worst.pair.bad and worst.bad.total - worst.good.total == pytest.approx(-worst.margin, abs=1e-5)
    assert worst.good.parts == worst.bad.parts == 5
    first, second = result.disagreeing[:2]
    assert first.pair == second.pair and (first.model, second.model) == ("grammar", "blind") and first.margin > 0 > second.margin


def test_one_pair():
    found = minimal_pair(model(9.0, "grammar"), "the key near the dogs is old", "the key near the dogs are old")
    assert found.margin > 0 and found.sentence.parts == 5 and found.sentence.pieces[5] == " is"
    shared = found.to_frame().filter(found.to_frame()["shared"])
    assert shared.height == 10 and math.isfinite(shared["log_probability"].sum())
    assert shared.filter(shared["which"] == "foil")["log_probability"].to_list() == pytest.approx(found.sentence.values[:5], abs=1e-6)
    assert found.drawing().kind == "beside"
    with pytest.raises(InputError, match="an equal pair compares nothing"):
        minimal_pair(model(9.0, "grammar"), "the key", "the key")


def test_mistakes():
    one = model(9.0, "grammar")
    for arguments, what in (
        ((one, []), "no pair"),
        ((one, [Pair("a", "a")]), "no pair is left"),
        ((one, ["no such file.jsonl"]), "no file or folder"),
        ((one, [("a", "b")]), "is no pair"),
        (([one, one], [OTHER]), "each a name of its own"),
        ((one, [OTHER], "best"), "method='best'"),
        ((one, [OTHER], "one-prefix", "words"), "divides whole sentences"),
        ((one, [Pair("key", "keys")], "one-prefix"), "share no beginning"),
        ((sonde.load("specimen:digits"), [OTHER]), "tokenizer"),
    ):
        with pytest.raises(InputError, match=what):
            minimal_pairs(*arguments)
