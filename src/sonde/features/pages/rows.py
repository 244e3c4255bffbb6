"""What a list says about one latent: in words, by its tokens, and where it is strongest."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypedDict

from sonde.features.records import Description, Example, Record

if TYPE_CHECKING:
    from sonde.features.database import Features
    from sonde.features.pages.site import Browsable

TOKENS = 5
BEFORE, AFTER = 8, 10
STRONGEST = """
    WITH highest AS (SELECT latent, max(value) AS value FROM codes GROUP BY latent),
    places AS (SELECT latent, min(sequence::BIGINT << 32 | position) AS place FROM codes JOIN highest USING (latent, value) GROUP BY latent)
    SELECT latent, place >> 32 AS sequence, place & 4294967295 AS position FROM places
"""
AROUND = f"""
    WITH strongest AS ({STRONGEST})
    SELECT c.latent, c.position, c.value FROM codes c JOIN strongest s ON c.latent = s.latent AND c.sequence = s.sequence
    WHERE c.position BETWEEN s.position - {BEFORE} AND s.position + {AFTER}
"""


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


def lines(features: "Browsable", latents: Iterable[int]) -> dict[int, Row]:
    """The lines of some latents: by a few queries from a database, by records from anything else.

    Arguments:
        features: where they are from.
        latents: which, in order.
    """
    from sonde.features.database import Features

    known = rows_of(features) if isinstance(features, Features) else {}
    return {latent: known[latent] if known else row_of(features.record(latent)) for latent in latents}


def rows_of(features: "Features") -> dict[int, Row]:
    """The lines of all latents of a database, by three queries instead of a record for each.

    Arguments:
        features: the database.
    """
    storage = features.storage
    words = {row["latent"]: row["text"] for row in storage.rows("SELECT latent, text FROM descriptions WHERE rank = 0")}
    tokens = storage.rows("SELECT latent, label_tokens AS tokens FROM latents ORDER BY latent")
    glances = _glances(features)
    return {
        row["latent"]: Row(description=words.get(row["latent"], ""), tokens=storage.texts(row["tokens"])[:TOKENS], glance=glances.get(row["latent"]))
        for row in tokens
    }


def _glances(features: "Features") -> dict[int, Glance]:
    """Each latent's strongest place, with the activations around it; the earliest where several are as strong."""
    found: dict[int, tuple[Glance, int]] = {}
    for latent, sequence, place in zip(*_columns(features, STRONGEST, "latent", "sequence", "position"), strict=True):
        ids = features.storage.sequence(sequence)
        first, end = max(0, place - BEFORE), min(len(ids), place + AFTER + 1)
        texts = features.storage.texts(ids[first:end].tolist())
        found[latent] = (Glance(tokens=texts, values=[0.0] * len(texts), at=place - first), first)
    for latent, position, value in zip(*_columns(features, AROUND, "latent", "position", "value"), strict=True):
        glance, first = found[latent]
        if 0 <= position - first < len(glance["values"]):
            glance["values"][position - first] = value
    return {latent: glance for latent, (glance, _) in found.items()}


def _columns(features: "Features", query: str, *names: str) -> list[list[Any]]:
    found = features.storage.arrays(query)
    return [found[name].tolist() for name in names]


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
