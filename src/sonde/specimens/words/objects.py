"""Documents about things and their colours: several are named, and the colour of one is asked (after Merullo et al. 2024, "Circuit component reuse").

The answer stands in the text; it must be found by the thing that it belongs to.
"""

import random

from sonde.specimens.words import world
from sonde.specimens.words.document import Document, document, mark

OPENINGS = (
    "On the {surface}, there is {things}.",
    "On the {surface}, I see {things}.",
    "{name} had {things}.",
    "{name} bought {things} at the {place}.",
    "There is {things} in the {place}.",
)
UNSEEN_OPENINGS = ("In the {place} {name} found {things}.", "{name} saw {things} near the {place}.")
"""Never shown to training, though every word is known."""
QUESTIONS = (
    "{opening} The {thing} is",
    "{opening} The color of the {thing} is",
    "{opening} What color is the {thing}? It is",
    "Q: {opening} What color is the {thing}? A:",
)


def colored_objects(rng: random.Random, held: bool = False, unseen: bool = False) -> Document:
    """Things in different colours, and the colour of one of them.

    Arguments:
        rng: drawn from.
        held: ask for a thing in a colour that training never gives it.
        unseen: take an opening that training never shows at all.

    Returns:
        The document; its truth gives the `fact`, as `wrong` another colour of the text, and spans `thing` and `colour` (the place it is read from).
    """
    while True:
        n = rng.randrange(2, 5)
        things, colours = rng.sample(world.GIFTS, n), rng.sample(world.COLOURS, n)
        asked = rng.randrange(n)
        if all(world.held_out("colour", *one) == (held and i == asked) for i, one in enumerate(zip(things, colours, strict=True))):
            break
    shown = [
        f"{world.a_or_an(colour)} {mark('colour' if i == asked else 'other_colour', colour)} {mark('thing' if i == asked else 'other_thing', thing)}"
        for i, (thing, colour) in enumerate(zip(things, colours, strict=True))
    ]
    listed = ", ".join(shown[:-1]) + rng.choice([", and ", " and "] if n > 2 else [" and "]) + shown[-1]
    opening = rng.choice(UNSEEN_OPENINGS if unseen else OPENINGS).format(
        surface=rng.choice(world.SURFACES), things=listed, name=rng.choice(world.NAMES), place=rng.choice(world.PLACES)
    )
    prompt = rng.choice(QUESTIONS).format(opening=opening, thing=mark("asked", things[asked]))
    wrong = rng.choice([colour for colour in colours if colour != colours[asked]])
    return document("colored_objects", prompt, f" {colours[asked]}", ".", fact=(things[asked], "colour", colours[asked]), wrong=f" {wrong}")
