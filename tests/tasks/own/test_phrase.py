"""Texts with slots: what stands where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonde.results import InputError
from sonde.tasks import english
from sonde.tasks.own.phrase import Drawn, parse

DAY, NOUN = english()["weekday"], english()["object"]
DRAW = {"d": Drawn(DAY, DAY.entries[5], 0), "n": Drawn(NOUN, NOUN.entries[0], 0)}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{d}, {d+1}, {d+2},", "Saturday, Sunday, Monday,"),
        ("a {n} and {n/plural}", "a book and books"),
        ("{n!a}; {{n}}", "a book; {n}"),
        ("no slot", "no slot"),
    ],
)
def test_slots_are_filled(text, filled):
    assert parse(text).filled(DRAW)[0] == filled


def test_an_article_suits_its_word():
    apple = next(entry for kind in ("object", "thing") for entry in english()[kind].entries if entry.forms[0][0] in "aeiou")
    assert parse("{n!a}").filled({"n": Drawn(english()[apple.kind], apple, 0)})[0] == f"an {apple.forms[0]}"


def test_the_end_of_a_line():
    number = english()["number"]
    assert parse("{x+1}").filled({"x": Drawn(number, number.entries[-1], 0)}) is None


def test_other_words_at_a_place():
    text, places = parse("{n} and {n}").filled(DRAW, {("n", 2): "cup"})
    assert text == "book and cup" and [text[word.start : word.end] for word in places.values()] == ["book", "cup"]


@given(st.lists(st.sampled_from(["{d}", "{n}", "{n/plural}", "{d+1}", " und ", "ä, ", "{{", "}}"]), max_size=8))
def test_words_stand_where_it_says(parts):
    text, places = parse("".join(parts)).filled(DRAW)
    assert all(text[word.start : word.end] == word.text for word in places.values())
    assert len(places) == sum(part[0] == "{" and part[1] != "{" for part in parts)
    for slot in "dn":
        assert [number for name, number in places if name == slot] == list(range(1, 1 + sum(name == slot for name, _ in places)))


@pytest.mark.parametrize("text", ["{", "}", "{}", "{a b}", "{a+x}", "{a!the}", "{a{b}}", "{a:b}"])
def test_braces_that_are_no_slot(text):
    with pytest.raises(InputError, match=r"is no slot: write \{slot\}"):
        parse(text)
