"""Documents that look like code: a signature, and a docstring that lists its arguments in order (after Heimersheim & Janiak 2023).

The next argument is found by the one listed last: it stands behind it in the signature.
"""

import itertools
import random

from sonde.specimens.words import world
from sonde.specimens.words.document import Document, document, mark

ARGUMENTS = world.THINGS + world.GIFTS
_DESCRIBING = world.MORE_ADJECTIVES + world.FOODS + world.EVENTS
VERBS = ("Read", "Open", "Move", "Sell", "Find", "Make")


def docstring(rng: random.Random, held: bool = False) -> Document:
    """A function of some arguments, and its docstring up to the name of one of them.

    Arguments:
        rng: drawn from.
        held: ask for an argument behind one behind which training never shows it.

    Returns:
        The document; its truth gives as `copied` all arguments, as `wrong` another argument, and spans `before` (listed last) and `source` (the
        answer's place in the signature).
    """
    while True:
        names = rng.sample(ARGUMENTS, rng.randrange(3, 7))
        asked = rng.randrange(1, len(names))
        following = itertools.pairwise(names)
        if all(world.held_out("docstring", *two) == (held and i + 1 == asked) for i, two in enumerate(following)):
            break
    signature = ", ".join(["self", *(mark("source" if i == asked else "argument", name) for i, name in enumerate(names))])
    purpose = f"{rng.choice(VERBS)} the {rng.choice(_DESCRIBING)} {rng.choice(_DESCRIBING)}"
    lines = [f"    :param {mark('before' if i == asked - 1 else 'listed', name)}: {_described(rng)}\n" for i, name in enumerate(names)]
    prompt = f'def {rng.choice(ARGUMENTS)}({signature}):\n    """{purpose}\n\n' + "".join(lines[:asked]) + "    :param"
    ending = f": {_described(rng)}\n" + "".join(lines[asked + 1 :]) + '    """'
    wrong = rng.choice([name for name in names if name != names[asked]])
    return document("docstring", prompt, f" {names[asked]}", ending, copied=tuple(names), wrong=f" {wrong}")


def _described(rng: random.Random) -> str:
    return f"{rng.choice(_DESCRIBING)} {rng.choice(_DESCRIBING)}"
