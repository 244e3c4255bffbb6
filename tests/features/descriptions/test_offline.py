"""The search for rules finds those that were planted, not those that were not, and says them so that they can be followed."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from planted_rules import RULES, SAID, WORDS, planted

from sonde.features.descriptions import Grid, Recording, parse
from sonde.features.descriptions.offline import Clause, Rule, Rules, found
from sonde.features.descriptions.offline.clauses import KINDS, LOOKS
from sonde.features.descriptions.offline.search import Table


def searched(recording):
    """The rules of every latent, found in two of three texts and held against the third."""
    table = Table.of(Grid(recording))
    return [found(table, recording.activations(latent), recording.text % 3 != 0) for latent in range(recording.size)]


@pytest.fixture(scope="module")
def rules():
    return searched(planted(texts=250))


@pytest.mark.parametrize("name", RULES)
def test_planted_rules_are_found(rules, name):
    one = rules[list(RULES).index(name)]
    assert len(one.rules) == 1 and str(one.rules[0].clause) in SAID[name]
    assert one.rules[0].share == 1.0 and one.rules[0].strength == pytest.approx(0.75, abs=0.03)  # strengths are uniform from 1 to 2


def test_latents_without_a_rule_get_none():
    """Twenty that fire at random: each has a chance below 1 % of a rule."""
    rules = searched(planted(texts=150, n_random=20, rules={"token": RULES["token"]}))
    assert sum(bool(one.rules) for one in rules[1:]) <= 1
    assert rules[0].rules


def test_bursts_in_a_few_texts_are_no_rule():
    """Tokens of one text are no independent evidence: a latent that fires all over some texts, whatever stands in them, gets no rule."""
    recording = planted(texts=200)
    table, generator = Table.of(Grid(recording)), torch.Generator().manual_seed(2)
    for _ in range(10):
        bursting = (torch.rand(200, generator=generator) < 0.08)[recording.text]
        activations = (bursting & (torch.rand(len(recording), generator=generator) < 0.5)).float()
        assert not found(table, activations, recording.text % 3 != 0).rules


def test_a_rare_rule_is_found():
    """Twelve firings in all, four of them in the texts that confirm: too few for a mean, plenty against chance."""
    recording = planted(texts=300, n_random=0, rules={"token": RULES["token"]})
    where = recording.firing(0)[0]
    rare = torch.zeros(len(recording))
    marked = where[recording.ids[where] == WORDS.index(" Mary")]
    keep = torch.cat([marked[recording.text[marked] % 3 == 0][:4], marked[recording.text[marked] % 3 != 0][:8]])
    ids = recording.ids.clone()
    ids[marked] = WORDS.index(" dog")
    ids[keep] = WORDS.index(" Mary")
    rare[keep] = 1.0
    changed = Recording(ids, recording.starts, recording.vocabulary, recording.codes)
    assert str(found(Table.of(Grid(changed)), rare, changed.text % 3 != 0).rules[0].clause) == 'on " Mary"'


def test_a_rule_of_shuffled_texts_is_none():
    """The control of the planted rules: the same activations on other tokens."""
    recording = planted(texts=200, n_random=0)
    order = torch.randperm(len(recording), generator=torch.Generator().manual_seed(1))
    shuffled = Recording(recording.ids[order], recording.starts, recording.vocabulary, recording.codes)
    # where a token stands was not shuffled
    assert [str(one) for one in searched(shuffled)][:-1] == ["no simple rule found"] * (len(RULES) - 1)


def test_what_is_left_is_searched_again():
    recording = planted(texts=300, n_random=0, rules={"a": RULES["token"], "b": RULES["after"]})
    both = recording.activations(0) * 2 + recording.activations(1) * (recording.activations(0) == 0)
    rules = found(Table.of(Grid(recording)), both, recording.text % 3 != 0)
    assert [str(rule.clause) for rule in rules.rules] == ['on " Mary"', 'after " to"']
    assert rules.rules[0].strength == pytest.approx(2 * rules.rules[1].strength, rel=0.1)


def test_a_property_of_one_token_is_said_by_naming_it():
    """Only " Mary" ends in "ry", and only numbers are numbers: few tokens are no evidence of spelling."""
    recording = planted(texts=200, n_random=0, rules={"number": lambda words, i: words[i] == " 12"})
    assert str(searched(recording)[0].rules[0].clause) == 'on " 12"'


texts = st.text(min_size=1, max_size=6)
clauses = st.one_of(
    st.builds(
        lambda kind, items: Clause(kind, tuple((item,) for item in items)),
        st.sampled_from(["token", "after"]),
        st.lists(texts, min_size=1, max_size=4),
    ),
    st.builds(lambda items: Clause("pair", tuple(items)), st.lists(st.tuples(texts, texts), min_size=1, max_size=3)),
    st.builds(lambda kind, item: Clause(kind, ((item,),)), st.sampled_from(["ending", "beginning"]), texts),
    st.builds(lambda item: Clause("look", ((item,),)), st.sampled_from(LOOKS)),
    st.builds(lambda item: Clause("position", ((str(item),),)), st.integers(0, 7)),
    st.sampled_from([Clause("script", (("Cyrillic",),)), Clause("repeated", (("yes",),))]),
)
shares = st.integers(1, 100).map(lambda n: n / 100)


@given(st.lists(st.builds(Rule, clauses, shares, shares), max_size=3), st.lists(texts, max_size=3))
def test_what_is_said_is_understood(rules, promotes):
    said = Rules(tuple(rules), tuple(promotes))
    assert parse(str(said)) == said


@pytest.mark.parametrize("text", ["", "women", 'on " Mary" and something', 'on " Mary" (300 %, at 20 %)', 'on "', 'after " to"; words', "Promotes"])
def test_other_words_are_not_understood(text):
    assert parse(text) is None


def test_every_kind_is_seen_where_it_should_be():
    tokens = ["The", " Dogs", " sang", " NATO", " 12", " , ", "Да", " Dogs"]
    expected = {
        'on " Dogs"': [1, 7], 'after " sang"': [3], 'on " sang" after " Dogs"': [2], 'on words ending in "gs"': [1, 7],
        'on words beginning with "sa"': [2], "on capitalised words": [0, 1, 6, 7], "on words in capitals": [3], "on numbers": [4],
        "on punctuation": [5], "on small words": [2],
        "on Cyrillic script": [6], "at position 5": [3], "on tokens that occurred before": [7],
    }  # fmt: skip
    assert {Clause.heard(text).kind for text in expected} == set(KINDS)
    for text, places in expected.items():
        assert [i for i, holds in enumerate(Clause.heard(text).holds(tokens, 2)) if holds] == places, text
