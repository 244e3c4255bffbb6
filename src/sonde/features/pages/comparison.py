"""Two dictionaries beside one another, as the pages show them."""

from typing import Literal, TypedDict

from sonde.features.records import About


class Match(TypedDict):
    """A feature here and its best match there, or one of which there is only one."""

    latent: int | None
    other: int | None
    label: str
    other_label: str
    cosine: float | None
    correlation: float | None
    relation: str  # "match", "split", "only here", "only there"


class Baseline(TypedDict):
    """The same measure where nothing should match."""

    name: str
    measure: Literal["cosine", "correlation"]
    values: list[float]


class Comparison(TypedDict):
    """All matches, and what chance gives."""

    name: str
    about: About
    note: str  # how it was made
    matches: list[Match]
    baselines: list[Baseline]
