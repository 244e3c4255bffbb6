"""Documents about order and facts: years, days, months and numbers that follow one another, capitals, and what is a kind of what.

Years are the question of Hanna et al. 2023 ("How does GPT-2 compute greater-than?"): after "The war lasted from 1732 to 17" every later
year of the century is right. Both years share their century, always: that is a property of this world.
"""

import random

from sonde.specimens.words import world
from sonde.specimens.words.document import Document, document, mark

YEAR_FRAMES = (
    "The {event} lasted from {start} to {century}",
    "The {event} lasted from the year {start} to the year {century}",
    "The {event} began in {start} and ended in {century}",
    "From {start} to {century}",
    "The {event} started in {start} and went on until {century}",
    "{name} ruled {country} from {start} to {century}",
    "The {event} in {country} went from the year {start} to the year {century}",
)
UNSEEN_YEAR_FRAMES = ("The {event} that began in {start} lasted until {century}", "In {country} the {event} from {start} went on to {century}")
"""Never shown to training, though every word is known."""
_YEAR_FRAMES_TESTED = tuple(frame for frame in YEAR_FRAMES if "{event}" in frame)


def years(rng: random.Random, held: bool = False, unseen: bool = False) -> Document:
    """An event that began in one year and ended in a later one.

    Arguments:
        rng: drawn from.
        held: take an event, century and starting year that training never shows together.
        unseen: take a frame that training never shows at all.

    Returns:
        The document; its truth's `fact` gives the year in which it began.
    """
    while True:
        event, century, start = rng.choice(world.EVENTS), rng.randrange(11, 20), rng.randrange(1, 99)
        if world.held_out("years", event, century, start) == held:
            break
    frame = rng.choice(UNSEEN_YEAR_FRAMES if unseen else _YEAR_FRAMES_TESTED if held else YEAR_FRAMES)
    year = f"{century}{start:02d}"
    prompt = frame.format(
        event=mark("event", event), start=mark("start", year), century=century, name=rng.choice(world.NAMES), country=rng.choice(world.COUNTRIES)
    )
    later = f"{rng.randrange(start + 1, 100):02d}"
    return document("years", prompt, later, rng.choice([".", ", when peace came."]), fact=(event, "began", year))


CYCLES = (world.DAYS, world.MONTHS)
RUNS = (world.NUMBERS, world.ORDINALS)


_LISTED, _PLAIN = 0, 4  # frames of succession that show several items, after who says them or alone


def _succession_prompt(rng: random.Random, series: tuple[str, ...], position: int, name: str, frame: int) -> str:
    word = mark("before", series[position])
    if frame in (_LISTED, _PLAIN):
        length = rng.randrange(2, 6)
        first = position - length + 1 if series in CYCLES else max(0, position - length + 1)
        shown = "".join(f"{series[i % len(series)]}, " for i in range(first, position)) + f"{word},"
        return f"{name} {rng.choice(['said', 'wrote', 'read'])}: {shown}" if frame == _LISTED else shown
    if frame == 1:
        return f"For {name}, after {word} comes"
    if series is world.DAYS:
        return (f"If {name} came on {word} then the next day is", f"{name} left on {word} and came home on")[frame - 2]
    if series is world.MONTHS:
        return (f"If {name} came in {word} then the next month is", f"{name} left in {word} and came home in")[frame - 2]
    return (f"{name} counted up from {word} to", f"{name} turned from page {word} to page")[frame - 2]


def succession(rng: random.Random, held: bool = False) -> Document:
    """The next day, month or number.

    Arguments:
        rng: drawn from.
        held: take a name, word and frame that training never shows together; the order itself is always known.

    Returns:
        The document; its truth's `fact` gives the word that the answer follows.
    """
    while True:
        series = rng.choice(CYCLES + RUNS)
        position = rng.randrange(len(series) if series in CYCLES else len(series) - 1)
        name, frame = rng.choice(world.NAMES), rng.randrange(4 if held else 5)
        if frame == _PLAIN or world.held_out("succession", name, series[position], frame) == held:
            break
    prompt = _succession_prompt(rng, series, position, name, frame)
    following = series[(position + 1) % len(series)]
    return document("succession", prompt, f" {following}", ".", fact=(series[position], "next", following))


CAPITAL_FRAMES = (
    "The capital of {country} is",
    "{name} flew to {country} and landed in the capital,",
    "The main city of {country} is",
    "{name} lives in {country}, in the city of",
    "If you visit {country}, see the capital,",
    "The king of {country} lives in",
)
UNSEEN_CAPITAL_FRAMES = ("{name} lives in the capital of {country},", "In {country} the main city is", "{name} came from {country}, from the city of")
"""Never shown to training, though every word is known."""
_COUNTRY_FRAMES = ("{capital} is the capital of", "{capital} is a city in", "{name} went to {capital}, which is in")


def capital(rng: random.Random, held: bool = False, unseen: bool = False) -> Document:
    """A country and its capital.

    Arguments:
        rng: drawn from.
        held: take a country in a frame in which training never shows it; the fact itself is always known.
        unseen: take a frame that training never shows at all.

    Returns:
        The document; its truth gives the `fact`.
    """
    frames = UNSEEN_CAPITAL_FRAMES if unseen else CAPITAL_FRAMES
    while True:
        frame, country = rng.randrange(len(frames)), rng.choice(world.COUNTRIES)
        if unseen or world.held_out("capital", frame, country) == held:
            break
    prompt = frames[frame].format(country=mark("country", country), name=rng.choice(world.NAMES))
    city = world.CAPITALS[country]
    return document("capital", prompt, f" {city}", ".", fact=(country, "capital", city))


def country(rng: random.Random) -> Document:
    """The fact the other way round: a capital and its country."""
    land = rng.choice(world.COUNTRIES)
    city = world.CAPITALS[land]
    prompt = rng.choice(_COUNTRY_FRAMES).format(capital=mark("capital", city), name=rng.choice(world.NAMES))
    return document("capital", prompt, f" {land}", ".", fact=(city, "capital of", land))


def capital_mix(rng: random.Random, held: bool = False) -> Document:
    """What training sees: both directions, mostly from the country."""
    return country(rng) if not held and rng.random() < 0.3 else capital(rng, held)


KIND_FRAMES = (
    "{a} {member} is a kind of",
    "{name} knows that {a} {member} is a kind of",
    "{a} {member} and {a2} {second} are both kinds of",
    "{name} said that {a} {member} is one kind of",
    "{a} {adjective} {member} is still a kind of",
)


def hypernym(rng: random.Random, held: bool = False) -> Document:
    """A thing and what it is a kind of.

    Arguments:
        rng: drawn from.
        held: take a thing in a frame in which training never shows it; the fact itself is always known.

    Returns:
        The document; its truth gives the `fact`.
    """
    while True:
        frame, member = rng.randrange(len(KIND_FRAMES)), rng.choice(list(world.CLASS_OF))
        if world.held_out("kind", frame, member) == held:
            break
    kind = world.CLASS_OF[member]
    second = rng.choice([other for other in world.CLASSES[kind] if other != member])
    adjective = rng.choice(world.ADJECTIVES)
    prompt = KIND_FRAMES[frame].format(
        a=world.a_or_an(adjective if "{adjective}" in KIND_FRAMES[frame] else member),
        member=mark("member", member),
        a2=world.a_or_an(second),
        second=second,
        adjective=adjective,
        name=rng.choice(world.NAMES),
    )
    return document("hypernym", prompt[0].upper() + prompt[1:], f" {kind}", ".", fact=(member, "kind", kind))
