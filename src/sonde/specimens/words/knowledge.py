"""Documents about order and facts: years, days, months and numbers that follow one another, and capitals.

Years are the question of Hanna et al. 2023 ("How does GPT-2 compute greater-than?"): after "The war lasted from 1732 to 17" every later
year of the century is right. Both years share their century, always: that is a property of this world.
"""

import random
from itertools import islice

from sonde.specimens.words import world
from sonde.specimens.words.documents import Document

YEAR_FRAMES = (
    "The {event} lasted from {start} to {century}",
    "The {event} began in {start} and ended in {century}",
    "From {start} to {century}",
    "The {event} started in {start} and went on until {century}",
    "{name} ruled {country} from {start} to {century}",
    "The {event} in {country} went from the year {start} to the year {century}",
)
_YEAR_FRAMES_TESTED = tuple(frame for frame in YEAR_FRAMES if "{event}" in frame)


def years(rng: random.Random, held: bool = False) -> Document:
    """An event that began in one year and ended in a later one.

    Arguments:
        rng: drawn from.
        held: take an event, century and starting year that training never shows together.

    Returns:
        The document; its truth gives the last two digits of the first year as `start`.
    """
    while True:
        event, century, start = rng.choice(world.EVENTS), rng.randrange(11, 20), rng.randrange(2, 99)
        if world.held_out("years", event, century, start) == held:
            break
    frame = rng.choice(_YEAR_FRAMES_TESTED if held else YEAR_FRAMES)
    prompt = frame.format(
        event=event, start=f"{century}{start:02d}", century=century, name=rng.choice(world.NAMES), country=rng.choice(world.COUNTRIES)
    )
    return Document(
        "years", prompt, f"{rng.randrange(start + 1, 100):02d}", rng.choice([".", ", when peace came."]), {"century": century, "start": start}
    )


CYCLES = (world.DAYS, world.MONTHS)
RUNS = (world.NUMBERS, world.ORDINALS)


def _succession_prompt(rng: random.Random, series: tuple[str, ...], position: int, name: str, frame: int) -> str:
    word = series[position]
    if frame == 0:
        length = rng.randrange(2, 6)
        first = position - length + 1 if series in CYCLES else max(0, position - length + 1)
        shown = islice(range(first, position + 1), length)
        return f"{name} {rng.choice(['said', 'wrote', 'read'])}: " + " ".join(f"{series[i % len(series)]}," for i in shown)
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
        The document; its truth gives the `word` that the answer follows.
    """
    while True:
        series = rng.choice(CYCLES + RUNS)
        position = rng.randrange(len(series) if series in CYCLES else len(series) - 1)
        name, frame = rng.choice(world.NAMES), rng.randrange(4)
        if world.held_out("succession", name, series[position], frame) == held:
            break
    prompt = _succession_prompt(rng, series, position, name, frame)
    return Document("succession", prompt, f" {series[(position + 1) % len(series)]}", ".", {"word": series[position]})


CAPITAL_FRAMES = (
    "The capital of {country} is",
    "{name} flew to {country} and landed in the capital,",
    "The main city of {country} is",
    "{name} lives in {country}, in the city of",
    "If you visit {country}, see the capital,",
    "The king of {country} lives in",
)
_COUNTRY_FRAMES = ("{capital} is the capital of", "{capital} is a city in", "{name} went to {capital}, which is in")


def capital(rng: random.Random, held: bool = False) -> Document:
    """A country and its capital.

    Arguments:
        rng: drawn from.
        held: take a country in a frame in which training never shows it; the fact itself is always known.

    Returns:
        The document; its truth gives the `country`.
    """
    while True:
        frame, country = rng.randrange(len(CAPITAL_FRAMES)), rng.choice(world.COUNTRIES)
        if world.held_out("capital", frame, country) == held:
            break
    prompt = CAPITAL_FRAMES[frame].format(country=country, name=rng.choice(world.NAMES))
    return Document("capital", prompt, f" {world.CAPITALS[country]}", ".", {"country": country})


def country(rng: random.Random) -> Document:
    """The fact the other way round: a capital and its country."""
    land = rng.choice(world.COUNTRIES)
    prompt = rng.choice(_COUNTRY_FRAMES).format(capital=world.CAPITALS[land], name=rng.choice(world.NAMES))
    return Document("capital", prompt, f" {land}", ".", {"country": land})


def capital_mix(rng: random.Random) -> Document:
    """What training sees: both directions, mostly from the country."""
    return country(rng) if rng.random() < 0.3 else capital(rng)
