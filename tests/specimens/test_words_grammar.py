"""Verbs agree with their subject and their time."""

import random
import re

import pytest

from sonde.specimens.words import grammar, world
from sonde.specimens.words.mixture import documents

DRAWS = 100
PLURALS = set(world.PLURALS.values())


def draws(make, **options):
    rng = random.Random(0)
    return [make(rng, **options) for _ in range(DRAWS)]


def spanned(made, part):
    return made.text[slice(*made.truth.spans[part])]


def test_verbs_agree_with_the_subject():
    for made in draws(grammar.agreement_mix):
        plural = spanned(made, "subject") in PLURALS
        assert made.truth.number == ("plural" if plural else "singular")
        assert spanned(made, "subject") == (world.PLURALS[made.truth.subject] if plural else made.truth.subject)
        assert made.answer.strip() in (grammar.VERBS.values() if plural else grammar.VERBS)
        assert made.truth.wrong.strip() in (grammar.VERBS if plural else grammar.VERBS.values())
        assert made.truth.tense == ("past" if made.answer in (" was", " were") else "present")


@pytest.mark.parametrize("form", [*grammar.FORMS, grammar.UNSEEN_FORM])
def test_held_out_agreement_has_misleading_distractors(form):
    for made in draws(grammar.agreement, held=True, form=form):
        between = [part for part in made.truth.spans if part.startswith("distractor")]
        assert len(between) == (2 if form in ("two distractors", grammar.UNSEEN_FORM) else 1)
        for part in between:
            assert (spanned(made, part) in PLURALS) == (made.truth.distractor_number == "plural") != (made.truth.number == "plural")
        held = [world.held_out(made.truth.subject, spanned(made, part).removesuffix("s")) for part in between]
        assert any(held)


def test_the_unseen_form_is_not_in_training():
    relative = "|".join(verb for pair in grammar._TRANSITIVE.items() for verb in pair)
    unseen = re.compile(rf"^The (?:\w+ )?\w+ (?:{'|'.join(grammar.PREPOSITIONS)}) the \w+ that the \w+ (?:{relative})")
    assert all(unseen.search(made.prompt) for made in draws(grammar.agreement, form=grammar.UNSEEN_FORM))
    assert not any(unseen.search(made.prompt) for made in draws(grammar.agreement))


def test_tenses():
    form = {plain: (plain, *forms) for plain, forms in world.VERBS.items()}
    for made in documents("tense", n=DRAWS) + documents("tense", n=DRAWS, held=True):
        truth, answer = made.truth, made.answer.strip()
        assert spanned(made, "adverb") in grammar.ADVERBS[truth.tense]
        (plain,) = (plain for plain, forms in form.items() if answer in forms)
        expected = {"past": 2, "present": 0 if truth.number == "plural" else 1, "future": 0}[truth.tense]
        assert answer == form[plain][expected]
        assert truth.wrong.strip() in form[plain]
        assert (" will" in made.prompt) == (truth.tense == "future")
