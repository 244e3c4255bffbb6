"""What the pages hold before anything is opened, and how one latent is held until it is."""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypedDict

from sonde.features.pages.comparison import Comparison
from sonde.features.pages.plane import Plane
from sonde.features.pages.rows import Glance, Row
from sonde.features.pages.sizes import Level
from sonde.features.pages.statistics import Column, columns
from sonde.features.records import About, Active, Effects, Record

if TYPE_CHECKING:
    from polars import DataFrame

DIGITS = 4


class Browsable(Protocol):
    """What pages are made of: a feature database, or anything that knows its latents as records."""

    def about(self) -> About:
        """What was collected."""
        ...

    def table(self, *, limit: int | None) -> "DataFrame":
        """A row of statistics for each latent, with its number in `latent`; all rows where the limit is None."""
        ...

    def record(self, latent: int) -> Record:
        """All about one latent."""
        ...


class Table(TypedDict):
    """The list."""

    columns: list[Column]
    descriptions: list[str]
    tokens: list[list[str]]
    glances: list[Glance | None]


class Site(TypedDict):
    """The pages' data."""

    title: str
    about: About
    table: Table
    latents: list[int]
    comparisons: list[Comparison]
    levels: list[Level]
    plane: Plane | None
    prompts: list[Active]
    asks: list[str]  # what the server that sends it can be asked for: "latents", "effects", "prompt"


class Extras(TypedDict, total=False):
    """What the pages show beside the list, where it was made."""

    comparisons: list[Comparison]
    levels: list[Level]
    plane: Plane | None
    prompts: list[Active]


def site(features: Browsable, rows: Mapping[int, Row], title: str, extras: Extras, asks: Sequence[str] = ()) -> Site:
    """The pages' data about some latents.

    Arguments:
        features: where they are from.
        rows: what the list says about each.
        title: of the pages.
        extras: comparisons, sizes, a map, prompts.
        asks: what a server can be asked for.
    """
    latents = list(rows)
    table = Table(
        columns=columns(features.table(limit=None), latents), descriptions=[row["description"] for row in rows.values()],
        tokens=[row["tokens"] for row in rows.values()], glances=[rounded(row["glance"]) for row in rows.values()],
    )  # fmt: skip
    return Site(
        title=title, about=features.about(), table=table, latents=latents, comparisons=extras.get("comparisons", []),
        levels=extras.get("levels", []), plane=extras.get("plane"), prompts=rounded(extras.get("prompts", [])), asks=list(asks),
    )  # fmt: skip


def held(record: Record, effects: Effects | None) -> str:
    """One latent as a file holds it: JSON, deflated, in base64.

    Arguments:
        record: all about it.
        effects: what it does in its examples, if that was computed.
    """
    text = json.dumps(rounded({"feature": record, "effects": effects}), allow_nan=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode("ascii"))).decode("ascii")


def rounded(value: Any) -> Any:
    """Plain data with its numbers at four digits: more than a reader sees.

    Arguments:
        value: nested lists and dicts.

    >>> rounded({"a": [0.123456, 1234567.0, 0.0, 3, None]})
    {'a': [0.1235, 1235000, 0, 3, None]}
    """
    if isinstance(value, float):
        short = float(f"{value:.{DIGITS}g}")
        return int(short) if short.is_integer() and abs(short) < 2**53 else short
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(part) for part in value]
    return value
