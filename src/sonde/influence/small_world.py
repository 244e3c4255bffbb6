"""What the language specimens were trained on, which is known: documents that they read, and queries of combinations that no training shows."""

import random
from collections.abc import Sequence

from sonde.access import Model
from sonde.specimens.words import documents, world
from sonde.specimens.words.mixture import FAMILIES, NEVER_HELD
from sonde.specimens.words.recipe import RECIPES
from sonde.specimens.words.seen import STAGES, Stage, training_set

LISTED = 8
"""Words of a list that is said twice."""


def specimen_of(model: Model) -> str | None:
    """The name of the language specimen that a model is; `None` for another model.

    Arguments:
        model: any.
    """
    name = model.name.removeprefix("specimen:")
    return name if name in RECIPES and name != model.name else None


def read_by(name: str, n: int, seed: int = 0, stages: Sequence[Stage] = STAGES) -> tuple[list[list[int]], list[str]]:
    """Documents that a specimen was trained on as rows of tokens, and the family of each.

    Arguments:
        name: of the specimen.
        n: how many.
        seed: of the draw.
        stages: of the training.

    >>> rows, families = read_by("words-small", 3)
    >>> len(rows), families[0]
    (3, 'years')
    """
    seen = training_set(name, n, seed, stages)
    return [list(one.ids) for one in seen], [one.document.family for one in seen]


def questions(n: int = 6, seed: int = 0) -> dict[str, list[tuple[str, str]]]:
    """Queries of every kind that has a right answer, of combinations that no training shows: the text before the answer, and the answer.

    Arguments:
        n: how many of each kind.
        seed: of the draw.

    >>> questions(1)["capital"]
    [('Amy lives in Poland, in the city of', ' Warsaw')]
    """
    found = {}
    for family in FAMILIES:
        if family in NEVER_HELD:
            continue
        drawn = [(one.prompt, one.answer) for one in documents(family, 20 * n, seed, held=True) if one.answer]
        found[family] = list(dict.fromkeys(drawn))[:n]
    return found | {"repeats": lists(n, seed)}


def lists(n: int = 6, seed: int = 0) -> list[tuple[str, str]]:
    """Lists of random words said twice: all but the second saying's rest, and that rest, which only copying can tell.

    Arguments:
        n: how many.
        seed: of the draw.
    """
    rng, found = random.Random(f"lists {seed}"), []
    for _ in range(n):
        words = rng.sample(world.WORD_POOL, LISTED)
        found.append((" " + " ".join([*words, words[0]]), "".join(f" {word}" for word in words[1:])))
    return found
