"""What a list says about one latent: in words, by its tokens, and where it is strongest."""

from typing import TypedDict

from sonde.features.records import Description, Example, Record

TOKENS = 5
BEFORE, AFTER = 8, 10


class Glance(TypedDict):
    """A place, with a few tokens around it."""

    tokens: list[str]
    values: list[float]
    at: int


class Row(TypedDict):
    """One latent in a list."""

    description: str  # empty where it has none
    tokens: list[str]
    glance: Glance | None


def row_of(record: Record) -> Row:
    """The line of a record.

    Arguments:
        record: all that is known about the latent.
    """
    description = best(record["descriptions"])
    return Row(
        description=description["text"] if description else "",
        tokens=strongest_tokens(record["strongest"]),
        glance=glance_of(record["strongest"][0]) if record["strongest"] else None,
    )


def best(descriptions: list[Description]) -> Description | None:
    """A person's description; else the one with the best score.

    Arguments:
        descriptions: of one latent.
    """
    if not descriptions:
        return None
    return max(
        descriptions, key=lambda one: (one["author"] == "human", max((score for score in one["scores"].values() if score is not None), default=-1))
    )


def strongest_tokens(examples: list[Example]) -> list[str]:
    """The tokens on which the activations of the strongest places add up to most.

    Arguments:
        examples: the strongest places.
    """
    sums: dict[str, float] = {}
    for example in examples:
        own = example["position"] - example["start"]
        sums[example["tokens"][own]] = sums.get(example["tokens"][own], 0.0) + abs(example["values"][own])
    return sorted(sums, key=lambda token: -sums[token])[:TOKENS]


def glance_of(example: Example) -> Glance:
    """A few tokens around an example's own.

    Arguments:
        example: a place in its context.
    """
    own = example["position"] - example["start"]
    first, end = max(0, own - BEFORE), own + AFTER + 1
    return Glance(tokens=example["tokens"][first:end], values=example["values"][first:end], at=own - first)
