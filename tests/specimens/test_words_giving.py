"""Who gets the gift: the kinds say what they promise, and the mirror forms close the short cuts."""

import random
import re

import pytest

from sonde.specimens.words import frames, giving, world
from sonde.specimens.words.mixture import documents

DRAWS = 100
EVERY_KIND = [*giving.KINDS, *giving.UNSEEN_KINDS]


def draws(**options):
    rng = random.Random(0)
    return [giving.indirect_object(rng, **options) for _ in range(DRAWS)]


def names_in(text):
    return [word for word in re.findall(r"\w+", text) if word in world.NAMES]


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_how_often_each_is_named(kind):
    for made in draws(kind=kind):
        said, (receiver, *_), givers = names_in(made.prompt), made.truth.receivers, made.truth.givers
        assert made.truth.kind == kind
        assert receiver not in givers
        assert said.count(receiver) == (2 if kind == "twice" else 1)
        assert all(said.count(giver) == (1 if kind in ("met", "newcomer") else 2) for giver in givers)


@pytest.mark.parametrize("kind", [kind for kind in EVERY_KIND if kind != "newcomer"])
def test_who_was_named_first(kind):
    for made in draws(kind=kind):
        said, spans = names_in(made.prompt), made.truth.spans
        assert made.truth.receiver_first == (spans["receiver"] < spans["giver"])
        if kind not in (*giving.RIDDLES, "two_of_three"):
            assert made.truth.receiver_first == (said.index(made.truth.receivers[0]) < said.index(made.truth.givers[0]))


@pytest.mark.parametrize("held", [True, False])
def test_pairs_of_names_are_held_out(held):
    for made in draws(held=held, kind="two"):
        assert world.held_out(*sorted((made.truth.receivers[0], made.truth.givers[0]))) == held


def test_both_orders_of_names_occur_and_neither_place_betrays_the_answer():
    assert 0.4 < sum(made.truth.receiver_first for made in draws(kind="two")) / DRAWS < 0.6


def last_subject_kept_down(made):
    """The short cut: any name that was said, but not the one said last."""
    said = names_in(made.prompt)
    return [name for name in dict.fromkeys(said) if name != said[-1]]


def said_once(made):
    said = names_in(made.prompt)
    return [name for name in dict.fromkeys(said) if said.count(name) == 1]


def test_the_short_cut_serves_the_plain_kind_and_fails_the_mirror_forms():
    """What a model could do without noticing a name said twice: it must answer rightly in one kind and wrongly in the others."""
    assert all(last_subject_kept_down(made) == [made.answer.strip()] for made in draws(kind="two", frame="{a} and {b} were at the {place}."))
    for kind in ("newcomer", "new", "left_out", "odd_one_out", "two_of_three", "twice"):
        assert not any(last_subject_kept_down(made) == [made.answer.strip()] for made in draws(kind=kind)), kind
    forbidden = [made.answer.strip() not in last_subject_kept_down(made) for made in draws(kind="new")]
    assert 0.2 < sum(forbidden) / DRAWS < 0.5  # in a third of them the short cut even rules out the answer


def test_only_the_name_said_before_tells_a_newcomer_from_a_giver():
    """The same frames, the same place of the last name, the same words after it."""
    for plain, mirror in zip(draws(kind="two"), draws(kind="newcomer"), strict=True):
        assert len(said_once(plain)) == 1
        assert len(said_once(mirror)) == 3
    rng = random.Random(0)
    for frame in (*frames.LEADS, *frames.HARD_LEADS):
        for kind in ("two", "newcomer"):
            made = giving.indirect_object(rng, kind=kind, frame=frame)
            pattern = re.sub(r"\\\{\w+\\\}", r"[\\w ]+", re.escape(frame))
            assert re.match(pattern, made.prompt), (frame, made.prompt)


def test_unseen_frames_stay_unseen_but_their_words_do_not():
    texts = [made.text for family, n in (("indirect_object", 500), ("scene", 200), ("pronoun", 100)) for made in documents(family, n=n)]
    seen = {word for text in texts for word in re.findall(r"\w+", text)}
    for frame in (frame for family in frames.UNSEEN_LEADS.values() for frame in family):
        assert set(re.findall(r"\w+", re.sub(r"\{\w+\}", "", frame))) <= seen, frame
        pattern = re.sub(r"\\\{\w+\\\}", r"\\w+", re.escape(frame))
        assert not any(re.search(pattern, text) for text in texts), frame
    assert not any(re.search(r"was \w+ who", text) for text in texts)
    assert {"it", "It", "was", "who"} <= seen
