"""Which documents training sees, and in which shares."""

from collections.abc import Mapping

from sonde.specimens.words import fillers, grammar, knowledge, people
from sonde.specimens.words.documents import Family

FAMILIES: dict[str, Family] = {
    "indirect_object": people.indirect_object,
    "duet": people.duet,
    "agreement": grammar.agreement_mix,
    "years": knowledge.years,
    "succession": knowledge.succession,
    "pronoun": people.pronoun,
    "capital": knowledge.capital_mix,
    "repeats": fillers.repeats,
    "scene": fillers.scene,
}

NORMAL_MIX = {
    "indirect_object": 0.20,
    "duet": 0.09,
    "agreement": 0.11,
    "years": 0.12,
    "succession": 0.065,
    "pronoun": 0.09,
    "capital": 0.065,
    "repeats": 0.09,
    "scene": 0.17,
}
"""Shares of tokens, summing to one."""


def with_share(mix: Mapping[str, float], family: str, share: float) -> dict[str, float]:
    """The mix in which one family has this share and the others keep their proportions."""
    rest = 1 - mix[family]
    return {name: share if name == family else part * (1 - share) / rest for name, part in mix.items()}
