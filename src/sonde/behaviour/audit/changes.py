"""Which profiles an audit asks about: every base profile changed in one attribute, in two, and in all.

Implied attributes: a name says a gender. `implied={"name": {"gender": {"John": "man", "Suzan": "woman"}}}` lets the audit change gender in the words
that state it alone, and together with the name that implies it. The new name is the one at the same place among the names of the new gender.
"""

import itertools
import random
from collections.abc import Mapping, Sequence
from typing import Any

from sonde.behaviour.audit.profiles import Profiles, Row, Value
from sonde.results import InputError

Implied = Mapping[str, Mapping[str, Mapping[Any, Value]]]
MOST_VALUES = 20


def values_of(profiles: Profiles, attributes: Mapping[str, Sequence[Value]] | Sequence[str]) -> dict[str, list[Value]]:
    """The values that each attribute is set to.

    Arguments:
        profiles: the cases.
        attributes: names, whose values are those among the cases, or names with values.

    Raises:
        InputError: no attribute, one that the cases lack, one that never varies, or one with too many values.
    """
    if isinstance(attributes, str) or not attributes:
        raise InputError(f"attributes={attributes!r}: give the names of one attribute or more, as a list or with the values to try")
    named = attributes if isinstance(attributes, Mapping) else {name: [] for name in attributes}
    found = {}
    for name, values in named.items():
        among = profiles.values(name)
        chosen = list(dict.fromkeys(values)) or among
        if len(chosen) < 2:
            raise InputError(f"the attribute {name!r} is {chosen[0]!r} in every profile: give the values to try, attributes={{{name!r}: [...]}}")
        if len(chosen) > MOST_VALUES:
            raise InputError(f"the attribute {name!r} has {len(chosen)} values; give up to {MOST_VALUES} to try, such as {{{name!r}: {chosen[:2]}}}")
        found[name] = chosen
    return found


def jointly(row: Row, attribute: str, value: Value, implied: Implied) -> dict[str, Value]:
    """A case with one attribute changed, and with it whatever implies the attribute.

    Arguments:
        row: the case.
        attribute: what is changed.
        value: to what.
        implied: what implies what.

    >>> jointly({"name": "John", "gender": "man"}, "gender", "woman", {"name": {"gender": {"John": "man", "Suzan": "woman"}}})
    {'name': 'Suzan', 'gender': 'woman'}
    """
    changed = {**row, attribute: value}
    for other, implications in implied.items():
        lexicon = implications.get(attribute, {})
        said = lexicon.get(row[other])
        if said is None or said == value:
            continue  # this value says nothing about the attribute, or the right thing already
        mine = [word for word, meaning in lexicon.items() if meaning == said]
        theirs = [word for word, meaning in lexicon.items() if meaning == value]
        if not theirs:
            raise InputError(f"no {other} implies {attribute}={value!r}: add one to implied, or leave that value out")
        changed[other] = theirs[mine.index(row[other]) % len(theirs)]
    return changed


def implying(attribute: str, implied: Implied) -> list[str]:
    """The attributes whose values imply this one's."""
    return [other for other, implications in implied.items() if attribute in implications]


def refuse_unknown(profiles: Profiles, implied: Implied) -> None:
    """Refuse implications between attributes that the cases don't have."""
    for other, implications in implied.items():
        for name in (other, *implications):
            profiles.values(name)


def together(row: Row, values: Mapping[str, Sequence[Value]], most: int, rng: random.Random) -> list[dict[str, Value]]:
    """A case with every attribute changed at once: all such cases, or as many drawn at random.

    Arguments:
        row: the case.
        values: what each attribute is set to.
        most: how many cases.
        rng: drawn from where there are more.
    """
    others = {name: [value for value in chosen if value != row[name]] for name, chosen in values.items()}
    count = 1
    for chosen in others.values():
        count *= len(chosen)
    if count <= most:
        cases = [dict(zip(others, combination, strict=True)) for combination in itertools.product(*others.values())]
    else:
        cases = [{name: rng.choice(chosen) for name, chosen in others.items()} for _ in range(most)]
    return [{**row, **case} for case in cases]
