"""Frames that introduce two people, `{a}` and `{b}`, before one of them gives; what they hold back is the test of transfer to a new frame."""

import random

from sonde.specimens.words import world

LEADS = (
    "When {a} and {b} went to the {place},",
    "When {a} and {b} got {gift} at the {place},",
    "After {a} and {b} came to the {place},",
    "Then, {a} and {b} had a lot of fun at the {place}.",
    "{a} and {b} were at the {place}.",
    "While {a} and {b} were working at the {place},",
    "Yesterday {a} and {b} walked to the {place}, and",
    "{a} was with {b} in the {place} when",
    "Friends {a} and {b} found {gift} at the {place}.",
    "One {day}, {a} saw {b} near the {place}.",
    "{a} had a long talk with {b}, and then",
)
"""Many more are composed from parts, so that no frame need be learned by heart."""

HARD_LEADS = (
    "When {a}, who had {gift}, and {b} went to the {place},",
    "{a} and {b}, who was {quality}, came to the {place}, and",
    "After {a}, feeling {quality}, saw {b} near the {place} on {day},",
    "{a} and {b} were at the {place}. It was a {weather} {day}, and the {place} was {quality}.",
    "When {a} came to the {place} where {b} was working,",
    "The {place} that {a} liked was {quality}, so {b} went there.",
)
"""With a relative clause, or with much between the two names, or between them and the giver."""

UNSEEN_LEADS = {
    "a new deed": (
        "Then {a} and {b} worked together at the {place}.",
        "One {day} {a} and {b} walked home from the {place}, and",
        "When {a} met {b} near the {place},",
        "In the evening {a} called {b} near the {place}.",
    ),
    "the place first": (
        "In the {place} {a} and {b} had a long talk, and then",
        "In the {place} {a} found {b}.",
        "In the {place}, where {a} was working, {b} was {quality}, so",
    ),
    "reported speech": (
        "{a} said that {b} was at the {place}.",
        "The letter told {a} that {b} was {quality}, and then",
        "{a} asked about the {place} that {b} had found, and",
    ),
}
"""Families of frames that training never shows, though it shows all their words."""

_TOGETHER = ("went to", "came to", "met at", "were at", "slept at", "talked in", "waited in", "walked to", "stayed in", "danced at", "worked in")
_ONE_TO_OTHER = ("saw {b} at", "found {b} in", "was with {b} at", "helped {b} at", "called {b} from")
_OPENINGS = (
    ("When ", ","),
    ("After ", ","),
    ("While ", ","),
    ("Then ", "."),
    ("", "."),
    ("Yesterday ", " and"),
    ("One {day} ", " and then"),
    ("In {month} ", ", and"),
    ("", " and soon"),
)


def composed(rng: random.Random) -> str:
    """A frame put together from an opening, an event and a place."""
    opening, closing = rng.choice(_OPENINGS)
    event = rng.choice([f"{{a}} and {{b}} {deed}" for deed in _TOGETHER] + [f"{{a}} {deed}" for deed in _ONE_TO_OTHER])
    return f"{opening}{event} the {{place}}{closing}"


def draw(rng: random.Random) -> str:
    """A frame of training: half composed, a sixth hard, the rest as listed."""
    chance = rng.random()
    return composed(rng) if chance < 0.5 else rng.choice(HARD_LEADS if chance < 0.67 else LEADS)


def fill(rng: random.Random, frame: str, a: str, b: str) -> str:
    """The frame with these two names and other words drawn."""
    return frame.format(
        a=a,
        b=b,
        place=rng.choice(world.PLACES),
        gift=world.article(rng.choice(world.GIFTS)),
        day=rng.choice(world.DAYS),
        month=rng.choice(world.MONTHS),
        quality=rng.choice(world.MORE_ADJECTIVES),
        weather=rng.choice(world.WEATHERS),
    )
