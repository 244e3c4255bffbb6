"""Documents about number and tense: a verb agrees with its subject, whatever stands between them (Linzen et al. 2016), and with its adverb's time."""

import random

from sonde.specimens.words import world
from sonde.specimens.words.document import Document, Number, Tense, document, mark

PREPOSITIONS = ("near", "behind", "beside", "above", "under", "with", "from", "on")
VERBS = {
    "is": "are",
    "was": "were",
    "has": "have",
    "looks": "look",
    "seems": "seem",
    "belongs": "belong",
    "stays": "stay",
    "moves": "move",
    "falls": "fall",
    "stands": "stand",
}
"""Singular to plural; as in plain English, forms of "be" are the most frequent."""
_TRANSITIVE = {"sees": "see", "likes": "like", "follows": "follow", "helps": "help", "knows": "know", "finds": "find"}

FORMS = {"phrase": 4, "relative": 3, "object relative": 3, "two distractors": 2, "inserted clause": 2}
"""What stands between subject and verb, with its weight."""
UNSEEN_FORM = "relative inside a phrase"
"""Never shown to training, though both of its parts are."""


def _verb(rng: random.Random) -> tuple[str, str]:
    return rng.choices(list(VERBS.items()), [4, 2] + [1] * (len(VERBS) - 2))[0]


def _number(plural: bool) -> Number:
    return "plural" if plural else "singular"


def _noun(part: str, noun: str, plural: bool) -> str:
    return mark(part, world.PLURALS[noun] if plural else noun)


def _predicate(rng: random.Random, verb: str) -> str:
    """What may follow a verb, given in its singular form."""
    place = rng.choice(world.PLACES)
    if verb in ("is", "was"):
        return rng.choice([f" very {rng.choice(world.ADJECTIVES)}.", f" {rng.choice(world.ADJECTIVES)}.", f" in the {place}."])
    if verb == "has":
        return rng.choice([f" been {rng.choice(world.ADJECTIVES)}.", f" {world.article(rng.choice(world.ADJECTIVES))} shape."])
    if verb == "belongs":
        return rng.choice([f" to {rng.choice(world.NAMES)}.", f" in the {place}."])
    if verb in ("looks", "seems"):
        return f" {rng.choice(world.ADJECTIVES)}."
    return rng.choice([" there.", f" in the {place}.", f" near the {place}."])


def _between(rng: random.Random, form: str, plural: bool, other: str, other_plural: bool, third: str) -> str:
    """What stands between subject and verb."""
    likes = rng.choice(list(_TRANSITIVE.items()))
    where = rng.choice(PREPOSITIONS)
    return {
        "phrase": f" {where} {other}",
        "relative": f" that {likes[plural]} {other}",
        "object relative": f" that {other} {likes[other_plural]}",
        "two distractors": f" {where} {other} {rng.choice(PREPOSITIONS)} {third}",
        "inserted clause": f", as {other} of the {rng.choice(world.PLACES)} said,",
        UNSEEN_FORM: f" {where} {third} that {other} {likes[other_plural]}",
    }[form]


def agreement(rng: random.Random, held: bool = False, form: str | None = None) -> Document:
    """A subject, a distracting noun, and the verb.

    Arguments:
        rng: drawn from.
        held: take two nouns that training never shows together, of different number, so that agreeing with the nearer noun is wrong.
        form: one of `FORMS` or `UNSEEN_FORM`; None draws one of training's.

    Returns:
        The document; its truth gives `subject`, `number`, `distractor_number`, `tense` and the `wrong` form of the verb.
    """
    while True:
        noun, distractor = rng.sample(world.NOUNS, 2)
        if world.held_out(noun, distractor) == held:
            break
    third = rng.choice([other for other in world.NOUNS if other not in (noun, distractor) and not world.held_out(noun, other)])
    plural = rng.random() < 0.5
    other_plural = not plural if held else rng.random() < 0.5
    form = form or rng.choices(list(FORMS), list(FORMS.values()))[0]
    adjective = f"{rng.choice(world.ADJECTIVES)} " if rng.random() < 0.3 else ""
    other, last = (f"the {_noun('distractor', word, other_plural)}" for word in (distractor, third))
    prompt = f"The {adjective}{_noun('subject', noun, plural)}" + _between(rng, form, plural, other, other_plural, last)
    return _agreeing(rng, prompt, plural, kind=form, subject=noun, distractor_number=_number(other_plural))


def near_agreement(rng: random.Random) -> Document:
    """The same without a distractor."""
    plural, noun = rng.random() < 0.5, rng.choice(world.NOUNS)
    subject = f"{rng.choice(['The', 'These' if plural else 'This'])} {_noun('subject', noun, plural)}"
    return _agreeing(rng, subject, plural, kind="near", subject=noun)


def _agreeing(rng: random.Random, prompt: str, plural: bool, **truth: object) -> Document:
    verb = _verb(rng)
    tense = "past" if verb[0] == "was" else "present"
    return document(
        "agreement", prompt, f" {verb[plural]}", _predicate(rng, verb[0]), number=_number(plural), tense=tense, wrong=f" {verb[not plural]}", **truth
    )


def agreement_mix(rng: random.Random, held: bool = False) -> Document:
    """What training sees: mostly with a distractor."""
    return near_agreement(rng) if not held and rng.random() < 0.3 else agreement(rng, held)


ADVERBS: dict[Tense, tuple[str, ...]] = {
    "past": ("Yesterday", "Last week", "Last year", "Last night"),
    "present": ("Every day", "Every week", "Every year", "Every night"),
    "future": ("Tomorrow", "Next week", "Next year", "Next month"),
}
_AGENTS = (*world.JOBS, "boy", "girl", "king", "queen")


def tense(rng: random.Random, held: bool = False) -> Document:
    """When it happens, who acts, and the form of the verb.

    Arguments:
        rng: drawn from.
        held: take a verb after an adverb after which training never shows it.

    Returns:
        The document; its truth gives `tense`, `number` and the `wrong` form: the past for the present, the present for any other.
    """
    while True:
        when = rng.choice(list(ADVERBS))
        adverb, verb = rng.choice(ADVERBS[when]), rng.choice(list(world.VERBS))
        if world.held_out("tense", adverb, verb) == held:
            break
    named = rng.random() < 0.4
    plural = not named and rng.random() < 0.5
    noun = rng.choice(world.NAMES if named else _AGENTS)
    if named:
        who = mark("subject", noun)
    else:
        where = f" {rng.choice(PREPOSITIONS)} the {rng.choice(world.PLACES)}" if rng.random() < 0.4 else ""
        who = f"the {_noun('subject', noun, plural)}{where}"
    third_person, past = world.VERBS[verb]
    present = verb if plural else third_person
    right, wrong = {"past": (past, present), "present": (present, past), "future": (verb, third_person)}[when]
    prompt = f"{mark('adverb', adverb)}{rng.choice([',', ''])} {who}{' will' if when == 'future' else ''}"
    ending = rng.choice([f" in the {rng.choice(world.PLACES)}.", " there.", f" near the {rng.choice(world.PLACES)}.", "."])
    return document("tense", prompt, f" {right}", ending, subject=noun, number=_number(plural), tense=when, wrong=f" {wrong}")
