"""One latent's record from its row in the tables and its kept codes."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sonde.features.database.examples import Shower
from sonde.features.records import Head, Histogram, Interval, Logits, Neighbour, Neuron, Profile, Weight


def known(value: float | None) -> float | None:
    """A number, or None for one that is not known."""
    return None if value is None or math.isnan(value) else float(value)


def histogram_of(row: Mapping[str, Any]) -> Histogram:
    """Of the activations that are not 0.

    Arguments:
        row: of the latent.
    """
    return Histogram(low=float(row["minimum"]), high=float(row["maximum"]), counts=list(row["histogram"]))


def logits_of(row: Mapping[str, Any], texts: Callable[[Sequence[int]], list[str]]) -> Logits | None:
    """The direct effects on the logits; None where they could not be told.

    Arguments:
        row: of the latent.
        texts: from tokens to their texts.
    """
    if row.get("logits_top") is None:
        return None
    lists = [
        [Weight(token=token, value=float(value)) for token, value in zip(texts(row[f"logits_{end}"]), row[f"logits_{end}_values"], strict=True)]
        for end in ("top", "bottom")
    ]
    histogram = Histogram(low=float(row["logits_low"]), high=float(row["logits_high"]), counts=list(row["logits_histogram"]))
    return Logits(top=lists[0], bottom=lists[1], histogram=histogram)


def alignment_of(row: Mapping[str, Any]) -> list[Neuron]:
    """The largest entries of the direction.

    Arguments:
        row: of the latent.
    """
    if row.get("entries") is None:
        return []
    return [Neuron(neuron=i, value=w, other=s) for i, w, s in zip(row["entries"], row["entries_weight"], row["entries_share"], strict=True)]


def neurons_of(row: Mapping[str, Any]) -> list[Neuron]:
    """The neurons that it goes with.

    Arguments:
        row: of the latent.
    """
    if row.get("neurons") is None:
        return []
    columns = zip(row["neurons"], row["neurons_pearson"], row["neurons_cosine"], strict=True)
    return [Neuron(neuron=i, value=pearson, other=cosine) for i, pearson, cosine in columns if i >= 0]


def neighbours(
    latents: Sequence[int], labels: Mapping[int, str], cosines: Sequence[float] | None = None, correlations: Sequence[float] | None = None
) -> list[Neighbour]:  # fmt: skip
    """Other latents, with what is known of their closeness.

    Arguments:
        latents: which; a negative number is none.
        labels: of the latents.
        cosines: of the directions.
        correlations: of the activations.
    """
    found = []
    for n, i in enumerate(latents):
        cosine, correlation = (None if column is None else known(column[n]) for column in (cosines, correlations))
        if i >= 0 and (cosine, correlation) != (None, None):
            found.append(Neighbour(latent=i, label=labels.get(i, ""), cosine=cosine, correlation=correlation))
    return found


def profile_of(row: Mapping[str, Any], edges: Sequence[int], places: Sequence[int]) -> Profile:
    """How often the latent is active, by position.

    Arguments:
        row: of the latent.
        edges: of the ranges of positions.
        places: how many tokens were counted at each position.
    """
    sizes = [sum(places[start:stop]) for start, stop in itertools.pairwise(edges)]
    return Profile(edges=list(edges), density=[count / n if n else None for count, n in zip(row["profile"], sizes, strict=True)])


def heads_of(row: Mapping[str, Any]) -> list[Head]:
    """The heads that the direction lies in, for dictionaries of heads side by side.

    Arguments:
        row: of the latent.
    """
    return [Head(head=str(i), share=float(share)) for i, share in enumerate(row.get("heads") or [])]


def intervals_of(shower: Shower, row: Mapping[str, Any]) -> list[Interval]:
    """The intervals of activation, the highest first.

    Arguments:
        shower: makes the examples; what it has shown is marked.
        row: of the latent.
    """
    highest = [known(value) for value in row["highest"]]
    return shower.intervals(int(row["latent"]), float(row["minimum"]), float(row["maximum"]), list(row["histogram"]), highest)
