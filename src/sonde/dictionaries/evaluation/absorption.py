"""Does a latent of a more special thing take over a general property's direction, so that the general latent is silent where it should fire?

Chanin et al. (2024), in the measure of SAEBench: of a property with a linear probe w, the main latents are those that a sparse probe needs; where
the probe says yes and the main latents together carry less of it than the activation does,

    fraction = p_abs / (p_abs + p_main),   p_i = f_i <d_i, w / |w|>,

with p_abs of at most three other latents whose direction has a cosine of at least .1 with w, if they carry at least 40 % of what the activation does.
It is full where no main latent fires and one other carries so much.

Shape legend: N rows, F latents, D entries.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from sonde.bases import Codes
from sonde.dictionaries.evaluation.probing import columns, f1_score, mean_difference, sparse_predictions
from sonde.dictionaries.evaluation.recovery import cosines
from sonde.results import InputError

ABSORBERS = 3
COSINE = 0.1
FULL_COSINE = 0.025
CARRIED = 0.4
GAIN = 0.03
"""One latent more is a main one where it raises the sparse probe's F1 by as much."""
MOST_MAIN = 5


@dataclass(frozen=True)
class Absorption:
    """How much of a property other latents take over.

    Arguments:
        main: the property's own latents.
        fraction: mean absorbed fraction of the rows judged.
        full: share of them that are absorbed in full.
        n: rows judged: those of the second half with the property, of which the probe says so.
    """

    main: tuple[int, ...]
    fraction: float
    full: float
    n: int


@dataclass(frozen=True, eq=False)
class LinearProbe:
    """A property as a direction of the activations.

    Arguments:
        direction: along which they have it.
        said: of which activations the probe says that they have it.
    """

    direction: Float[Tensor, " width"]
    said: Bool[Tensor, " rows"]


def linear_probe(x: Float[Tensor, "rows width"], labels: Bool[Tensor, " rows"], train: Bool[Tensor, " rows"]) -> LinearProbe:
    """A logistic probe of all entries, fitted on the first half, both kinds with equal weight.

    Arguments:
        x: the activations.
        labels: whether each has the property.
        train: the first half.
    """
    from sklearn.linear_model import LogisticRegression

    table = ((x - x[train].mean(0)) / x[train].std()).double().numpy()
    fitted = LogisticRegression(class_weight="balanced", max_iter=300).fit(table[train.numpy()], labels[train].numpy())
    return LinearProbe(torch.from_numpy(fitted.coef_[0]).float(), torch.from_numpy(fitted.predict(table)))


def absorption(
    codes: Codes, directions: Float[Tensor, "latent width"], x: Float[Tensor, "rows width"], labels: Bool[Tensor, " rows"],
    train: Bool[Tensor, " rows"], probe: LinearProbe | None = None,
) -> Absorption:  # fmt: skip
    """Measure the absorption of a property.

    Arguments:
        codes: of the activations.
        directions: of the latents.
        x: the activations.
        labels: whether each has the property.
        train: the half on which the probe is fitted and main latents are chosen.
        probe: of the property; by default one is fitted.

    Raises:
        InputError: no row is left to judge.
    """
    probe = probe or linear_probe(x, labels, train)
    x = x.double() - x[train].double().mean(0)
    judged = (labels & probe.said & ~train).nonzero().flatten()
    unit = probe.direction / probe.direction.norm()
    carried = (x[judged] @ unit.double()).float()
    judged, carried = judged[carried > 0], carried[carried > 0]
    if not len(judged):
        raise InputError("no activation with the property is told by its probe: there is nothing to absorb")
    main = _main(codes, labels, train)
    cosine = cosines(directions, unit[None])[:, 0]
    others = cosine >= FULL_COSINE
    others[list(main)] = False
    along = directions.float() @ unit.float()
    mains = columns(codes, torch.tensor(main))[judged]
    p_main = (mains * along[list(main)]).clamp(min=0).sum(1)
    rest = others.nonzero().flatten()
    p_rest = columns(codes, rest)[judged] * along[rest] if len(rest) else torch.zeros(len(judged), 1)
    near = p_rest * (cosine[rest] >= COSINE) if len(rest) else p_rest
    p_abs = near.topk(min(ABSORBERS, near.shape[1]), dim=1).values.clamp(min=0).sum(1)
    counts = (p_main < carried) & (p_abs >= CARRIED * carried)
    fraction = torch.where(counts, p_abs / (p_abs + p_main).clamp(min=1e-12), torch.zeros_like(p_abs))
    full = (mains == 0).all(1) & (p_rest.max(1).values >= CARRIED * carried)
    return Absorption(main, float(fraction.double().mean()), float(full.double().mean()), len(judged))


def _main(codes: Codes, labels: Tensor, train: Tensor) -> tuple[int, ...]:
    """The latents that a sparse probe needs: one more each time as long as it gains."""
    order = mean_difference(codes, labels, train).argsort(descending=True, stable=True)[:MOST_MAIN]
    best, kept = 0.0, 1
    for k in range(1, len(order) + 1):
        f1 = f1_score(sparse_predictions(columns(codes, order[:k]), labels, train)[train], labels[train])
        if k > 1 and f1 < best + GAIN:
            break
        best, kept = f1, k
    return tuple(order[:kept].tolist())
