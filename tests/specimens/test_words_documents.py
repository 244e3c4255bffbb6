"""Truths that every document of every family must carry: the answer follows from the truth, and each span lies on its word."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonde.results import InputError
from sonde.specimens.words import people, world
from sonde.specimens.words.document import document, mark
from sonde.specimens.words.mixture import FAMILIES, NEVER_HELD, NORMAL_MIX, documents, with_share

DRAWS = 100
ASKING = [name for name in FAMILIES if name not in NEVER_HELD]
WORD = st.text("abcé عя", min_size=1, max_size=5)


def words_of(text):
    return re.findall(r"\w+", text)


@given(pieces=st.lists(st.tuples(st.sampled_from(["", "one", "other"]), WORD), max_size=8), answer=st.sampled_from(["", " yes", "07"]))
def test_marks_are_taken_out_and_remembered(pieces, answer):
    marked = [mark(part, word) if part else word for part, word in pieces]
    made = document("toy", "".join(marked[:4]), answer, "".join(marked[4:]))
    assert made.text == "".join(word for _, word in pieces[:4]) + answer + "".join(word for _, word in pieces[4:])
    spans = dict(made.truth.spans)
    start, end = spans.pop("answer", (0, 0))
    assert made.text[start:end] == answer.strip()
    ordered = {part: [word for p, word in pieces if p == part] for part in ("one", "other")}
    for name, (start, end) in spans.items():
        part, _, count = name.partition("_")
        assert made.text[start:end] == ordered[part][int(count or 1) - 1]
    assert len(spans) == sum(map(len, ordered.values()))


@pytest.mark.parametrize("family", FAMILIES)
def test_documents_are_clean_and_repeatable(family):
    drawn = documents(family, n=DRAWS)
    assert drawn == documents(family, n=DRAWS)
    assert drawn != documents(family, n=DRAWS, seed=1)
    for made in drawn:
        assert made.family == family
        assert not re.search(r"[{}⟦⟧|]", made.text)
        if family != "docstring":
            assert not re.search(r" [,.;:]|  ", made.text), made.text
            assert made.text.endswith((".", "?", ";", "؟"))
            assert not re.search(r"\b[Aa] [aeiou]|\b[Aa]n [^aeiou]", made.text), made.text


@pytest.mark.parametrize("family", FAMILIES)
def test_spans_lie_on_whole_words(family):
    for made in documents(family, n=DRAWS):
        for name, (start, end) in made.truth.spans.items():
            assert 0 <= start < end <= len(made.text)
            assert made.text[start:end].strip() == made.text[start:end] != ""
            if name != "answer":  # the last two digits of a year are the end of a word
                assert not made.text[:start][-1:].isalnum(), (name, made.text)
            assert not made.text[end:][:1].isalnum(), (name, made.text)


@pytest.mark.parametrize("family", ASKING)
@pytest.mark.parametrize("held", [True, False])
def test_the_answer_follows_from_the_truth(family, held):
    for made in documents(family, n=DRAWS, held=held):
        truth, answer = made.truth, made.answer.strip()
        start, end = truth.spans.get("answer", (0, 0))
        assert made.text[start:end] == answer
        assert truth.wrong is None or (truth.wrong != made.answer and truth.wrong.startswith(" "))
        if family == "indirect_object":
            assert answer == ("them" if truth.kind == "newcomer" else truth.receivers[0])
        elif family == "years":
            assert int(truth.fact[2][2:]) < int(answer) < 100
        elif family == "pronoun":
            assert (answer, truth.gender) == (world.pronoun(truth.subject), world.gender(truth.subject))
        elif family == "docstring":
            before = made.text[slice(*truth.spans["before"])]
            assert truth.copied[truth.copied.index(before) + 1] == answer
        elif truth.fact:
            assert answer == truth.fact[2]


@pytest.mark.parametrize("family", [name for name in FAMILIES if name != "repeats"])
def test_names_of_a_held_out_pair_never_meet(family):
    for made in documents(family, n=3 * DRAWS):
        present = [word for word in words_of(made.text) if word in world.NAMES]
        assert not any(people.strangers(a, b) for a in present for b in present if a != b), made.text


def test_no_global_randomness_enters():
    drawn = []
    for seed in (1, 2):
        random.seed(seed)
        drawn.append([made.text for made in documents(n=50)])
    assert drawn[0] == drawn[1]


def test_the_mixture_is_drawn_by_its_shares():
    drawn = [made.family for made in documents(n=1500)]
    for family, part in NORMAL_MIX.items():
        assert abs(drawn.count(family) / 1500 - part) < 0.04
    assert not {made.family for made in documents(n=100, held=True)} & set(NEVER_HELD)


@pytest.mark.parametrize("options, message", [({"family": "poem"}, "family='poem': choose one of"), ({"family": "duet", "held": True}, "held out")])
def test_what_cannot_be_drawn(options, message):
    with pytest.raises(InputError, match=message):
        documents(**options)


def test_mixture_shares():
    assert sum(NORMAL_MIX.values()) == pytest.approx(1)
    assert NORMAL_MIX.keys() == FAMILIES.keys()
    changed = with_share(NORMAL_MIX, "repeats", 0.6)
    assert sum(changed.values()) == pytest.approx(1)
    assert changed["repeats"] == 0.6
    assert changed["scene"] / changed["duet"] == pytest.approx(NORMAL_MIX["scene"] / NORMAL_MIX["duet"])
