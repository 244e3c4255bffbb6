"""Two dictionaries beside one another, over the same tokens: which features match, which split, which only one of them has.

A match is told by activations, so that dictionaries of two sites, or of two models, can be compared: Pearson's correlation over all places. Chance is
the same with the other's sequences shuffled: no feature's best match there is real, and the 95th percentile of them is what a match must exceed.

Shape legend: N places, A latents here, B latents there.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from sonde.features.records import About
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.features.database import Features

BLOCK = 1024
CHANCE = 0.95


class Match(TypedDict):
    """A feature here and its best match there, or one that only one of them has."""

    latent: int | None
    other: int | None
    label: str
    other_label: str
    cosine: float | None
    correlation: float | None
    relation: str  # "match": each is the other's best; "split": the best there has a better one here; "only here"; "only there"


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


def compare(
    features: "Features",
    other: "Features",
    name: str,
    directions: tuple[Float[Tensor, "latent width"], Float[Tensor, "other other_width"]] | None = None,
    neurons: "Features | None" = None,
    seed: int = 0,
) -> Comparison:
    """Match the latents of a database with those of another one over the same tokens.

    Arguments:
        features: the database here.
        other: the one there, of the same model or of another.
        name: what the other is called.
        directions: of both, for cosines, where they lie in one space.
        neurons: a database of a basis that nobody learnt, as the baseline: neurons, random directions.
        seed: of the shuffle.

    Raises:
        InputError: databases over other tokens, or that keep only some of their codes.
    """
    here, there = _activations(features, features), _activations(features, other)
    best, back = _best(here, there), _best(there, here)
    shuffled = _best(here, _activations(features, other, seed))
    bar = float(np.quantile(shuffled.values, CHANCE))
    cosines = _cosines(directions, best.indices)
    labels, others = features.labels(range(features.size)), other.labels(range(other.size))
    matches = [
        Match(
            latent=latent, other=match, label=labels[latent], other_label=others[match], cosine=cosine, correlation=r,
            relation="only here" if r <= bar else "match" if back.indices[match] == latent else "split",
        )
        for latent, (match, r, cosine) in enumerate(zip(best.indices.tolist(), best.values.tolist(), cosines, strict=True))
    ]  # fmt: skip
    matches += [
        Match(latent=None, other=latent, label="", other_label=others[latent], cosine=None, correlation=r, relation="only there")
        for latent, r in enumerate(back.values.tolist())
        if r <= bar
    ]
    baselines = [Baseline(name="shuffled sequences", measure="correlation", values=shuffled.values.tolist())]
    if neurons is not None:
        nearest = _best(here, _activations(features, neurons))
        baselines.append(Baseline(name=neurons.about()["basis"], measure="correlation", values=nearest.values.tolist()))
    note = (
        f"By correlation of activations over {features.about()['tokens']:,} places. Where the sequences are shuffled, 95 % have no match above "
        f"{bar:.2f}: a feature that has none either is in one of them only."
    )
    return Comparison(name=name, about=other.about(), note=note, matches=matches, baselines=baselines)


class _Best:
    """Of each latent the most correlated one: which, and how much.

    Arguments:
        indices: which.
        values: the correlations.
    """

    def __init__(self, indices: np.ndarray, values: np.ndarray) -> None:
        self.indices, self.values = indices, values


def _activations(features: "Features", of: "Features", shuffle: int | None = None) -> Any:
    """Activations as a sparse matrix, places by latents."""
    from scipy.sparse import csc_matrix

    same = np.array_equal(features.storage.ids, of.storage.ids) and np.array_equal(features.storage.offsets, of.storage.offsets)
    if of.kept != "all" or not same:
        reason = "was collected over other tokens" if of.kept == "all" else "keeps only some of its codes"
        raise InputError(f"{of.folder} {reason}: collect both over the same corpus, keeping all codes")
    offsets = of.storage.offsets
    starts = offsets[:-1] if shuffle is None else _shuffled(offsets, shuffle)
    found = of.storage.arrays("SELECT latent, sequence, position, value FROM codes")
    places = starts[found["sequence"]] + found["position"]
    return csc_matrix((found["value"].astype(np.float64), (places % offsets[-1], found["latent"])), shape=(int(offsets[-1]), of.size))


def _shuffled(offsets: np.ndarray, seed: int) -> np.ndarray:
    """Where sequences begin when they stand in another order."""
    lengths = np.diff(offsets)
    order = np.random.default_rng(seed).permutation(len(lengths))
    starts = np.empty_like(lengths)
    starts[order] = np.concatenate([[0], np.cumsum(lengths[order])[:-1]])
    return starts


def _best(a: Any, b: Any) -> _Best:
    """Pearson's r of each column of a with its best column of b: (E ab - E a E b) / (sd a sd b)."""
    n = a.shape[0]
    mean_a, mean_b = (np.asarray(x.mean(axis=0)).ravel() for x in (a, b))
    sd_a, sd_b = (np.sqrt(np.maximum(np.asarray(x.multiply(x).mean(axis=0)).ravel() - m * m, 0)) for x, m in ((a, mean_a), (b, mean_b)))
    indices, values = np.zeros(a.shape[1], dtype=np.int64), np.zeros(a.shape[1])
    for first in range(0, a.shape[1], BLOCK):
        some = slice(first, first + BLOCK)
        covariance = (a[:, some].T @ b).toarray() / n - np.outer(mean_a[some], mean_b)
        scale = np.outer(sd_a[some], sd_b)
        r = np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 1e-12)
        indices[some], values[some] = r.argmax(1), r.max(1)
    return _Best(indices, values)


def _cosines(directions: tuple[Tensor, Tensor] | None, match: np.ndarray) -> Sequence[float | None]:
    if directions is None:
        return [None] * len(match)
    here, there = directions
    if here.shape[1] != there.shape[1]:
        raise InputError(f"directions of {here.shape[1]} and {there.shape[1]} entries lie in two spaces: compare activations only")
    found: list[float | None] = torch.cosine_similarity(here.float(), there.float()[torch.from_numpy(match)], dim=1).tolist()
    return found
