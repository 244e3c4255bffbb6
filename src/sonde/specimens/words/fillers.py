"""Documents that ask no single question: lists of random words said again, and short scenes about one or two people.

The lists make the model look for what followed the same word before (Olsson et al. 2022, induction): nothing else can predict them.
"""

import random

from sonde.specimens.words import world
from sonde.specimens.words.document import Document, document, mark
from sonde.specimens.words.people import DEEDS, pair


def repeats(rng: random.Random) -> Document:
    """Random words, said at least twice; short lists come back many times, so that most of their words can be predicted."""
    length = rng.randrange(3, 24) if rng.random() < 0.5 else rng.randrange(3, 9)
    words = rng.choices(world.WORD_POOL, k=length)
    copies = 1 + rng.randrange(1, 2 + 30 // length)
    text = " " + " ".join(words)  # a list begins with a space: its words are single tokens only after one
    for _ in range(copies - 1):
        text += rng.choice(["", ";", ". Again:"]) + " " + " ".join(words)
    return document("repeats", text + ".", copied=tuple(words))


def scene(rng: random.Random) -> Document:
    """Two to four plain sentences about a person, in which things are named again; grammatical rather than sensible."""
    pick = rng.choice
    who, friend = pair(rng)
    subject, own, woman_or_man = world.pronoun(who), world.possessive(who), world.gender(who)
    name, who, friend = who, mark("subject", who), mark("friend", friend)
    They, them = subject.capitalize(), {"she": "her", "he": "him"}[subject]
    gift, other_gift = rng.sample(world.GIFTS, 2)
    animal = pick(("dog", "cat", "bird", "horse", "rabbit"))
    place, country, thing = pick(world.PLACES), pick(world.COUNTRIES), pick(world.THINGS)
    going = pick(("walked", "ran", "went", "drove", "hurried", "travelled"))
    how = pick(
        ("slowly", "quickly", "quietly", "loudly", "gladly", "sadly", "soon", "often", "never", "always", "again", "suddenly", "twice", "once")
    )
    adjective, quality, other_quality = pick(world.ADJECTIVES), pick(world.MORE_ADJECTIVES), pick(world.MORE_ADJECTIVES)
    many, many_things = pick(world.NUMBERS[1:]), world.PLURALS[pick(world.NOUNS)]
    openings = (
        f"{who} is {world.article(adjective)} {pick(world.JOBS)}.",
        f"{who} lives near the {place} in {country}.",
        f"One {pick(world.DAYS)} in {pick(world.MONTHS)}, {who} {going} to the {place}.",
        f"It was a {pick(world.WEATHERS)} {pick(world.DAYS)} in {pick(world.MONTHS)}.",
    )
    sentences = (
        f"{who} had {world.article(adjective)} {animal}.",
        f"{They} liked {pick(world.FOODS)} and {pick(world.FOODS)}.",
        f"{They} saw {world.article(adjective)} {gift} on the table and took the {gift} home.",
        f"The {animal} of {who} {pick(DEEDS)} under the {pick(('tree', 'table', 'chair', 'bridge'))}.",
        f"{friend} asked {them} about the {gift}, but {subject} said nothing.",
        f"{who} and {friend} {pick(DEEDS)} for {many} hours.",
        f"The {pick(world.WEATHERS)} weather made {friend} {adjective}.",
        f"{friend} called {who} and asked for the {other_gift}.",
        f"{They} put {own} {other_gift} in the {pick(('box', 'bag', 'basket'))} near the {pick(('door', 'window', 'bridge'))}.",
        f"There were {many} {many_things} in the {place}.",
        f"In the {pick(('morning', 'evening', 'night'))} {who} {pick(DEEDS)} and {pick(DEEDS)}.",
        f"{friend} bought {many} {adjective} {many_things} at the {place}.",
        f"Then {subject} {going} back to the {place}.",
        f"{who} {how} {pick(('opened', 'closed', 'moved', 'cleaned', 'broke', 'fixed', 'sold', 'hid', 'carried'))} the {quality} {thing}.",
        f"The {thing} was {quality} and {other_quality}, so {friend} left it {pick(('there', 'outside', 'behind'))}.",
        f"{world.article(quality).capitalize()} {thing} lay beside the {pick(world.THINGS)}, and {who} {how} took the {thing} away.",
        f"{friend} felt {quality} and {pick(DEEDS)} {how}.",
        f"{who} took it home, and {friend} worked together with {them}.",
        f"The {pick(world.GIFTS)} of {friend} was {pick(world.COLOURS)}.",
    )
    chosen = rng.sample(sentences, rng.randrange(1, 4))
    return document("scene", " ".join([pick(openings), *chosen]), subject=name, gender=woman_or_man)
