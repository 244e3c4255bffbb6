"""The small world and its documents: truths that every draw must carry."""

import itertools
import random
import re

import pytest

from sonde.specimens.words import fillers, grammar, knowledge, people, world
from sonde.specimens.words.mixture import FAMILIES, NORMAL_MIX, with_share

DRAWS = 300


def draws(make, **options):
    rng = random.Random(0)
    return [make(rng, **options) for _ in range(DRAWS)]


def words_of(text):
    return re.findall(r"\w+", text)


def test_lists_do_not_overlap():
    assert len(set(world.NAMES)) == 80
    assert not set(world.NAMES) & set(world.COUNTRIES)
    assert not set(world.CAPITALS.values()) & set(world.COUNTRIES)
    assert len(set(world.CAPITALS.values())) == len(world.CAPITALS)
    assert len(set(world.WORD_POOL)) == len(world.WORD_POOL)


def test_a_tenth_is_held_out():
    held = sum(world.held_out(*sorted((a, b))) for a in world.NAMES for b in world.NAMES)
    assert 0.08 < held / 80**2 < 0.12


@pytest.mark.parametrize("family", FAMILIES)
def test_documents_are_plain_english_and_repeatable(family):
    texts = [document.text for document in draws(FAMILIES[family])]
    assert texts == [document.text for document in draws(FAMILIES[family])]
    for text in texts:
        assert not re.search(r" [,.;:]|  |[{}]", text), text
        assert text.endswith(".")
        assert not re.search(r"\b[Aa] [aeiou]|\b[Aa]n [^aeiou]", text), text


def test_no_global_randomness_enters():
    drawn = []
    for seed in (1, 2):
        random.seed(seed)
        drawn.append([make(random.Random(0)).text for make in FAMILIES.values()])
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("kind", people.KINDS)
def test_who_gets_the_gift(kind):
    for document in draws(people.indirect_object, kind=kind):
        said = words_of(document.prompt)
        io, givers = document.truth["io"], document.truth["givers"]
        assert document.answer == f" {io}"
        assert said.count(io) == 1
        assert io not in givers
        assert all(said.count(giver) == (1 if kind == "met" else 2) for giver in givers)
        assert document.truth["io_first"] == (said.index(io) < said.index(givers[0]))


@pytest.mark.parametrize("held", [True, False])
def test_pairs_of_names_are_held_out(held):
    for document in draws(people.indirect_object, held=held, kind="two"):
        pair = sorted((document.truth["io"], document.truth["givers"][0]))
        assert world.held_out(*pair) == held


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "repeats"])
def test_names_of_a_held_out_pair_never_meet(family):
    for document in draws(FAMILIES[family]):
        present = [word for word in words_of(document.text) if word in world.NAMES]
        assert not any(people.strangers(a, b) for a in present for b in present if a != b), document.text


def test_both_orders_of_names_occur_and_neither_place_betrays_the_answer():
    first = [document.truth["io_first"] for document in draws(people.indirect_object, kind="two")]
    assert 0.4 < sum(first) / DRAWS < 0.6


def test_unseen_frames_stay_unseen_but_their_words_do_not():
    texts = [document.text for document in (*draws(people.indirect_object), *draws(people.duet), *draws(fillers.scene))]
    seen = set(words_of(" ".join(texts * 1)))
    for frame in people.HELD_OUT_LEADS:
        fixed = re.sub(r"\{\w+\}", "", frame)
        assert set(words_of(fixed)) <= seen | {"together", "home"}, frame
        pattern = re.sub(r"\\\{\w+\\\}", r"\\w+", re.escape(frame))
        assert not any(re.search(pattern, text) for text in texts), frame


def test_verbs_agree_with_the_subject():
    plurals = set(world.PLURALS.values())
    for document in draws(grammar.agreement_mix):
        subject = next(word for word in words_of(document.prompt) if word in plurals or word in world.NOUNS)
        plural = subject in plurals
        assert document.truth["plural"] == plural
        right = document.answer.strip()
        assert right in (grammar.VERBS.values() if plural else grammar.VERBS)
        assert document.truth["wrong"].strip() in (grammar.VERBS if plural else grammar.VERBS.values())


def test_held_out_agreement_has_a_misleading_distractor():
    for document in draws(grammar.agreement, held=True):
        assert document.truth["plural"] != document.truth["distractor_plural"]
        assert world.held_out(document.truth["subject"], document.truth["distractor"])


def test_wars_end_after_they_began():
    for document in draws(knowledge.years):
        first, second = map(int, re.findall(r"\d{4}", document.text))
        assert first < second
        assert first // 100 == second // 100
        assert document.truth["start"] == first % 100


def test_what_comes_next():
    after = {a: b for series in (world.NUMBERS, world.ORDINALS) for a, b in itertools.pairwise(series)}
    after |= {a: b for series in (world.DAYS, world.MONTHS) for a, b in zip(series, series[1:] + series[:1], strict=True)}
    for document in draws(knowledge.succession):
        assert document.answer == f" {after[document.truth['word']]}"
        assert document.truth["word"] in document.prompt


def test_capitals_and_countries():
    for document in draws(knowledge.capital_mix):
        country, capital = document.truth["country"], world.CAPITALS[document.truth["country"]]
        assert document.answer in (f" {capital}", f" {country}")
        assert (country in document.prompt) == (document.answer == f" {capital}")


def test_pronouns():
    for document in draws(people.pronoun):
        assert document.answer == (" she" if document.truth["name"] in world.WOMEN else " he")
        assert {document.answer, document.truth["wrong"]} == {" he", " she"}


def test_lists_are_said_again_in_the_same_order():
    for document in draws(fillers.repeats):
        words, copies = document.truth["words"], document.truth["copies"]
        assert copies >= 2
        assert [word for word in words_of(document.text) if word != "Again"] == words * copies


def test_mixture_shares():
    assert sum(NORMAL_MIX.values()) == pytest.approx(1)
    assert NORMAL_MIX.keys() == FAMILIES.keys()
    changed = with_share(NORMAL_MIX, "repeats", 0.6)
    assert sum(changed.values()) == pytest.approx(1)
    assert changed["repeats"] == 0.6
    assert changed["scene"] / changed["duet"] == pytest.approx(NORMAL_MIX["scene"] / NORMAL_MIX["duet"])
