"""Which documents training sees, and in which shares."""

import random
from collections.abc import Mapping

from sonde.results import InputError
from sonde.specimens.words import code, fillers, giving, grammar, knowledge, objects, people, scripts
from sonde.specimens.words.document import Document, Family

FAMILIES: dict[str, Family] = {
    "indirect_object": giving.indirect_object,
    "duet": people.duet,
    "agreement": grammar.agreement_mix,
    "tense": grammar.tense,
    "years": knowledge.years,
    "succession": knowledge.succession,
    "pronoun": people.pronoun,
    "capital": knowledge.capital_mix,
    "hypernym": knowledge.hypernym,
    "colored_objects": objects.colored_objects,
    "docstring": code.docstring,
    "scripts": scripts.scripts,
    "repeats": fillers.repeats,
    "scene": fillers.scene,
}

NORMAL_MIX = {
    "indirect_object": 0.21,
    "duet": 0.05,
    "agreement": 0.09,
    "tense": 0.04,
    "years": 0.11,
    "succession": 0.05,
    "pronoun": 0.075,
    "capital": 0.045,
    "hypernym": 0.03,
    "colored_objects": 0.06,
    "docstring": 0.055,
    "scripts": 0.035,
    "repeats": 0.07,
    "scene": 0.08,
}
"""Shares of tokens, summing to one."""

NEVER_HELD = ("duet", "repeats", "scene")
"""Families that ask no question: they have no held-out combinations."""


def documents(family: str | None = None, n: int = 100, seed: int = 0, held: bool = False) -> list[Document]:
    """Draw documents of the small world, each with its truth.

    Arguments:
        family: one of `FAMILIES`; None draws each document's family by the mixture's shares.
        n: how many.
        seed: the same seed gives the same documents.
        held: only combinations (of names, of nouns, of a frame and a country, ...) that training never shows.

    Returns:
        The documents.

    Raises:
        InputError: there is no such family, or it has no held-out combinations.

    >>> documents("capital", n=1, seed=1)[0].text
    'The capital of Norway is Oslo.'
    """
    if family is not None and family not in FAMILIES:
        raise InputError(f"family={family!r}: choose one of {', '.join(FAMILIES)}, or None for all")
    if held and family in NEVER_HELD:
        raise InputError(f"family={family!r} asks no question, so nothing of it is held out: leave held=True away")
    rng = random.Random(f"{family} {seed}")
    drawn = (
        [family] * n if family else rng.choices(*zip(*((f, s) for f, s in NORMAL_MIX.items() if not (held and f in NEVER_HELD)), strict=True), k=n)
    )
    return [FAMILIES[name](rng, held=True) if held else FAMILIES[name](rng) for name in drawn]


def with_share(mix: Mapping[str, float], family: str, share: float) -> dict[str, float]:
    """The mix in which one family has this share and the others keep their proportions."""
    rest = 1 - mix[family]
    return {name: share if name == family else part * (1 - share) / rest for name, part in mix.items()}
