"""The lists of words keep their promises."""

import pytest

from sonde.results import InputError
from sonde.specimens.words import world
from sonde.tasks import english

LEXICON = english()
NARROW = [LEXICON[name] for name in ("woman", "man", "person", "animal", "object", "thing", "place", "colour", "quality", "country", "weekday")]


def test_every_entry_has_all_forms_of_its_class():
    for kind in NARROW:
        assert len(kind.entries) > 4
        assert all(len(entry.forms) == len(kind.forms) and entry.kind == kind.name for entry in kind.entries)


def test_no_word_has_two_senses():
    forms = [form for kind in NARROW for entry in kind.entries for form in entry.forms]
    assert len(forms) == len(set(forms))
    assert not [form for form in forms if LEXICON.is_function_word(form)]


def test_ordered_classes_follow_one_another():
    days, numbers = LEXICON["weekday"], LEXICON["number"]
    assert days.after(days.entries[-1]) == days.entries[0]
    assert days.after(days.entries[0], -1) == days.entries[-1]
    assert numbers.after(numbers.entries[-1]) is None and numbers.after(numbers.entries[0], -1) is None
    assert numbers.after(numbers.entries[0], 4).forms == ("five",)
    assert [entry.forms[0] for entry in LEXICON["month"].entries] == list(world.MONTHS)


def test_narrow_classes_lie_within_wide_ones():
    assert set(LEXICON["name"].entries) == set(LEXICON["woman"].entries) | set(LEXICON["man"].entries)
    key = LEXICON.sense("keys")
    assert [kind.name for kind in LEXICON.fillers(key)] == ["object", "noun"]
    assert LEXICON.is_a("keys", "noun") and LEXICON.is_a("keys", "object") and not LEXICON.is_a("keys", "place")


def test_the_specimens_people_places_and_countries_are_known():
    for word in (*world.NAMES, *world.PLACES, *world.GIFTS, *world.NOUNS, *world.PLURALS.values(), *world.CAPITALS):
        assert LEXICON.sense(word) is not None, word
    assert all(LEXICON.sense(country).entry.forms == (country, capital) for country, capital in world.CAPITALS.items())


@pytest.mark.parametrize(("word", "grammar"), [("the", True), ("The", True), (",", True), ("dog", False), ("A", False), ("I", True), ("2", False)])
def test_words_of_grammar(word, grammar):
    assert LEXICON.is_function_word(word) is grammar


def test_an_unknown_class_is_refused_by_name():
    with pytest.raises(InputError, match="no class of words 'fruit'; there are adjective"):
        LEXICON["fruit"]
