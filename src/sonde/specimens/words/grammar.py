"""Documents about number: a verb agrees with its subject, whatever noun stands between them (Linzen et al. 2016)."""

import random

from sonde.specimens.words import world
from sonde.specimens.words.documents import Document

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


def _verb(rng: random.Random) -> tuple[str, str]:
    return rng.choices(list(VERBS.items()), [4, 2] + [1] * (len(VERBS) - 2))[0]


def _noun(noun: str, plural: bool) -> str:
    return world.PLURALS[noun] if plural else noun


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


def agreement(rng: random.Random, held: bool = False) -> Document:
    """A subject, a distracting noun, and the verb.

    Arguments:
        rng: drawn from.
        held: take two nouns that training never shows together, of different number, so that agreeing with the nearer noun is wrong.

    Returns:
        The document; its truth gives whether subject and distractor are plural, and the `wrong` form of the verb.
    """
    while True:
        noun, distractor = rng.sample(world.NOUNS, 2)
        if world.held_out(noun, distractor) == held:
            break
    plural = rng.random() < 0.5
    other_plural = not plural if held else rng.random() < 0.5
    adjective = f"{rng.choice(world.ADJECTIVES)} " if rng.random() < 0.3 else ""
    subject, other = f"The {adjective}{_noun(noun, plural)}", f"the {_noun(distractor, other_plural)}"
    transitive = rng.choice(list(_TRANSITIVE.items()))
    prompt = rng.choices(
        [
            f"{subject} {rng.choice(PREPOSITIONS)} {other}",
            f"{subject} that {transitive[plural]} {other}",
            f"{subject} that {other} {transitive[other_plural]}",
        ],
        [2, 1, 1],
    )[0]
    verb = _verb(rng)
    truth = {"subject": noun, "plural": plural, "distractor": distractor, "distractor_plural": other_plural, "wrong": f" {verb[not plural]}"}
    return Document("agreement", prompt, f" {verb[plural]}", _predicate(rng, verb[0]), truth)


def near_agreement(rng: random.Random) -> Document:
    """The same without a distractor."""
    plural = rng.random() < 0.5
    verb = _verb(rng)
    subject = f"{rng.choice(['The', 'These' if plural else 'This'])} {_noun(rng.choice(world.NOUNS), plural)}"
    return Document("agreement", subject, f" {verb[plural]}", _predicate(rng, verb[0]), {"plural": plural, "wrong": f" {verb[not plural]}"})


def agreement_mix(rng: random.Random) -> Document:
    """What training sees: mostly with a distractor."""
    return near_agreement(rng) if rng.random() < 0.3 else agreement(rng)
