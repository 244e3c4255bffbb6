"""Which known properties have a latent, or a few? Sparse probes of labelled activations (Gurnee et al. 2023), and the best single latent by F1.

Latents are chosen on one half of the texts and judged on the other: the best of many is good by chance where it is chosen and judged on the same.
Everything is done again with the labels shuffled, which must fail.

Shape legend: N rows, F latents.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.bases import Codes
from sonde.evidence import shuffled
from sonde.results import InputError

KS = (1, 2, 5)
CANDIDATES = 10
"""Latents whose threshold is fitted: those with the greatest difference of means, and those whose firing alone has the best F1."""
LEAST = 8
"""Examples of each kind that a half must have."""


@dataclass(frozen=True)
class Probe:
    """How well the latents of a basis tell a property.

    Arguments:
        latent: the best single one.
        f1: its F1 on the other half, at the threshold that was best on the first.
        f1_shuffled: the best one's where labels are shuffled.
        f1_always: that of saying yes always.
        accuracy: balanced accuracy of logistic probes on k latents, for each of `KS`; .5 by chance.
        shuffled: the same where labels are shuffled.
        n: rows that were judged.
    """

    latent: int
    f1: float
    f1_shuffled: float
    f1_always: float
    accuracy: tuple[float, ...]
    shuffled: tuple[float, ...]
    n: int


def probe(codes: Codes, labels: Bool[Tensor, " rows"], train: Bool[Tensor, " rows"], seed: int = 0) -> Probe:
    """Probe the latents of labelled activations.

    Arguments:
        codes: of the activations.
        labels: whether each has the property.
        train: the half on which latents are chosen; no text may lie in both.
        seed: of the shuffled labels.

    Raises:
        InputError: too few examples of either kind in one of the halves.
    """
    for name, half in (("first", train), ("second", ~train)):
        kinds = int(labels[half].sum()), int((~labels[half]).sum())
        if min(kinds) < LEAST:
            raise InputError(f"{kinds[0]} examples with the property and {kinds[1]} without in the {name} half: give at least {LEAST} of each")
    # shuffled within each half, so that both keep their share
    mixed = labels.clone()
    for half in (train, ~train):
        mixed[half] = shuffled(labels[half].clone(), seed)
    latent, f1 = _best(codes, labels, train)
    share = float(labels[~train].double().mean())
    sparse, by_chance = (_sparse(codes, each, train) for each in (labels, mixed))
    return Probe(latent, f1, _best(codes, mixed, train)[1], 2 * share / (1 + share), sparse, by_chance, int((~train).sum()))


def halves(blocks: Int[Tensor, " rows"], seed: int) -> Bool[Tensor, " rows"]:
    """A random half of the texts, as a mask of rows: tokens of one text are not independent.

    Arguments:
        blocks: the text of each row.
        seed: of the draw.
    """
    texts, of = blocks.unique(return_inverse=True)
    order = torch.randperm(len(texts), generator=torch.Generator().manual_seed(seed))
    first: Tensor = (order < len(texts) / 2)[of]
    return first


def mean_difference(codes: Codes, labels: Bool[Tensor, " rows"], train: Bool[Tensor, " rows"]) -> Float[Tensor, " latent"]:
    """How much more active each latent is with the property than without, on the first half.

    Arguments:
        codes: of the activations.
        labels: whether each has the property.
        train: the first half.
    """
    rows = codes.rows
    means = []
    for mask in (labels & train, ~labels & train):
        here = mask[rows]
        sums = torch.zeros(codes.size, dtype=torch.float64).index_add_(0, codes.latents[here], codes.values[here].double())
        means.append(sums / int(mask.sum()))
    return means[0] - means[1]


def columns(codes: Codes, latents: Int[Tensor, " latent"]) -> Float[Tensor, "rows latent"]:
    """The activations of some latents, with their zeros.

    Arguments:
        codes: of the activations.
        latents: which.
    """
    place = torch.full((codes.size,), -1)
    place[latents] = torch.arange(len(latents))
    at = place[codes.latents]
    kept = at >= 0
    table = torch.zeros(len(codes), len(latents))
    table[codes.rows[kept], at[kept]] = codes.values[kept].float()
    return table


def sparse_predictions(x: Float[Tensor, "rows column"], labels: Bool[Tensor, " rows"], train: Bool[Tensor, " rows"]) -> Bool[Tensor, " rows"]:
    """What a logistic probe, fitted on the first half with both kinds of equal weight, says of every row.

    Arguments:
        x: what it reads.
        labels: whether each row has the property.
        train: the first half.
    """
    from sklearn.linear_model import LogisticRegression

    scale = x[train].std(0).clamp(min=1e-6)
    table = (x / scale).double().numpy()
    fitted = LogisticRegression(class_weight="balanced", max_iter=300).fit(table[train.numpy()], labels[train].numpy())
    return torch.from_numpy(fitted.predict(table))


def f1_score(said: Bool[Tensor, " rows"], labels: Bool[Tensor, " rows"]) -> float:
    """2 TP / (2 TP + FP + FN); 0 where neither says yes.

    Arguments:
        said: what was said of each row.
        labels: what is true of it.
    """
    both, either = int((said & labels).sum()), int(said.sum()) + int(labels.sum())
    return 2 * both / either if either else 0.0


def _sparse(codes: Codes, labels: Tensor, train: Tensor) -> tuple[float, ...]:
    order = mean_difference(codes, labels, train).abs().argsort(descending=True, stable=True)
    found = []
    for k in KS:
        said = sparse_predictions(columns(codes, order[:k]), labels, train)
        right = [float((said[mask] == labels[mask]).double().mean()) for mask in (labels & ~train, ~labels & ~train)]
        found.append(sum(right) / 2)
    return tuple(found)


def _best(codes: Codes, labels: Tensor, train: Tensor) -> tuple[int, float]:
    """The latent and the threshold with the best F1 on the first half, judged on the second."""
    fired = codes.without_zeros()
    rows = fired.rows
    here = train[rows]
    firings = torch.bincount(fired.latents[here], minlength=codes.size)
    hits = torch.bincount(fired.latents[here & labels[rows]], minlength=codes.size)
    by_firing = 2 * hits.double() / (firings + int((labels & train).sum()))
    by_mean = mean_difference(codes, labels, train).abs()
    n = min(CANDIDATES, codes.size)
    candidates = torch.cat([by_firing.topk(n).indices, by_mean.topk(n).indices]).unique()
    table = columns(codes, candidates)
    best = (-1.0, 0, 0.0, 1)
    for column in range(len(candidates)):
        for sign in (1, -1):
            f1, threshold = _threshold(sign * table[train, column], labels[train])
            best = max(best, (f1, column, threshold, sign), key=lambda one: one[0])
    _, column, threshold, sign = best
    return int(candidates[column]), f1_score(sign * table[~train, column] >= threshold, labels[~train])


def _threshold(values: Tensor, labels: Tensor) -> tuple[float, float]:
    """The least value that counts as yes for the best F1, and that F1."""
    ordered, order = values.sort(descending=True)
    hits = labels[order].double().cumsum(0)
    said = torch.arange(1, len(values) + 1, dtype=torch.float64)
    f1 = 2 * hits / (said + hits[-1])
    f1[:-1][ordered[:-1] == ordered[1:]] = -1  # equal values are all above a threshold or all below it
    best = int(f1.argmax())
    return float(f1[best]), float(ordered[best])
