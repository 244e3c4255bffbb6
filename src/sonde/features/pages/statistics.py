"""The statistics of a table as the pages name them, packed for a browser."""

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypedDict

import numpy as np

if TYPE_CHECKING:
    from polars import DataFrame

NAMED = {
    "density": ("density", "the share of all places where it is active"),
    "firings": ("firings", "in how many places it is active"),
    "mean": ("mean", "its mean activation over all places"),
    "mean_active": ("mean when active", "its mean activation where it is active"),
    "minimum": ("minimum", "its smallest activation"),
    "maximum": ("maximum", "its largest activation"),
    "logit_top": ("largest logit", "what one unit of it adds to the logit of the token that it promotes most"),
    "logit_bottom": ("smallest logit", "what one unit of it adds to the logit of the token that it suppresses most"),
    "neuron_share": ("largest neuron", "the share of its direction's L1 norm in one entry: 1 is a neuron"),
    "nearest_cosine": ("nearest cosine", "the cosine of its direction with the nearest other one"),
    "score": ("score", "the mean score of its best description; 0.5 is chance for most scorers"),
}


class Column(TypedDict):
    """A statistic of every latent: 32-bit floats, little end first, in base64; NaN where it is not known."""

    name: str
    title: str
    note: str
    values: str


def columns(table: "DataFrame", rows: Sequence[int]) -> list[Column]:
    """Every numeric column of a table but the latents' own numbers.

    Arguments:
        table: one row for each latent, with a column `latent`.
        rows: the latents wanted, in order.
    """
    place = {int(latent): row for row, latent in enumerate(table["latent"])}
    chosen = table[[place[latent] for latent in rows]]
    numeric = [name for name in chosen.columns if name != "latent" and chosen.schema[name].is_numeric()]
    return [_column(name, chosen[name].cast(float).fill_null(float("nan")).to_numpy()) for name in numeric]


def packed(values: np.ndarray) -> str:
    """Numbers as a browser reads them without parsing.

    Arguments:
        values: as many as there are rows.

    >>> packed(np.array([1.0]))
    'AACAPw=='
    """
    return base64.b64encode(values.astype("<f4").tobytes()).decode("ascii")


def _column(name: str, values: np.ndarray) -> Column:
    title, note = NAMED.get(name, (name.replace("_", " "), ""))
    return Column(name=name, title=title, note=note, values=packed(values))
