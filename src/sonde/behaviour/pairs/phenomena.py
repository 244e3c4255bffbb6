"""The twelve phenomena of BLiMP (Warstadt et al. 2020, table 4), and how many paradigms each has."""

from typing import Any

# the terms of the files, and the heads of the table; selection of a subject by its verb is a matter of argument structure there
PHENOMENA = {
    "anaphor_agreement": "anaphor",
    "argument_structure": "argument structure",
    "s-selection": "argument structure",
    "binding": "binding",
    "control_raising": "control/raising",
    "determiner_noun_agreement": "determiner-noun",
    "ellipsis": "ellipsis",
    "filler_gap_dependency": "filler-gap",
    "irregular_forms": "irregular",
    "island_effects": "island",
    "npi_licensing": "NPI",
    "quantifiers": "quantifiers",
    "subject_verb_agreement": "subject-verb",
}

PARADIGMS = {
    "anaphor": 2,
    "argument structure": 9,
    "binding": 7,
    "control/raising": 5,
    "determiner-noun": 8,
    "ellipsis": 2,
    "filler-gap": 7,
    "irregular": 2,
    "island": 8,
    "NPI": 7,
    "quantifiers": 4,
    "subject-verb": 6,
}


def phenomenon_of(term: Any, paradigm: str) -> str:
    """The phenomenon that a file's term means; its own word where the term is none of BLiMP's, and the paradigm where there is none.

    >>> phenomenon_of("s-selection", "animate_subject_trans"), phenomenon_of(None, "my_pairs")
    ('argument structure', 'my_pairs')
    """
    return PHENOMENA.get(str(term), str(term)) if term else paradigm


def ordered(phenomena: set[str]) -> list[str]:
    """Phenomena in the order of the table, others after them by name."""
    return [*(name for name in PARADIGMS if name in phenomena), *sorted(phenomena - set(PARADIGMS))]
