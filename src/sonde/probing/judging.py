"""One probe, fitted on one part of the examples and judged on another: for each example how right it is, and what its label costs."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from sonde.evidence import ranks
from sonde.probing.held_out import Parts
from sonde.probing.probes import Kind, LinearProbe, Probe, bits


@dataclass(frozen=True, eq=False)
class Judged:
    """A probe beside its examples that were held out.

    Arguments:
        probe: the probe.
        right: 1 where the class is right, else 0; of a number 1 - (its squared error) / (the mean squared deviation from the training's mean), whose
            mean over examples is R^2.
        bits: what each label costs who knows the probe; nan where it gives no probabilities.
        said: what it says of each.
        margin: of two classes how far the second is ahead; else empty.
        dev: the mean of `right` on the examples that chose the penalty.
    """

    probe: Probe
    right: Float[Tensor, " test"]
    bits: Float[Tensor, " test"]
    said: Shaped[Tensor, " test"]
    margin: Float[Tensor, " _"]
    dev: float


def judged(kind: Kind, x: Float[Tensor, "n d"], y: Shaped[Tensor, " n"], parts: Parts, n_classes: int, seed: int = 0) -> Judged:
    """Fit on one part, judge on another.

    Arguments:
        kind: of probe.
        x: activations, one row per example.
        y: classes, or numbers.
        parts: which examples serve for what.
        n_classes: how many classes there are; 0 for numbers.
        seed: of a probe whose fit is random.

    Raises:
        InputError: fewer than two classes in the part to learn from.
    """
    train, dev, test = ((x[part], y[part]) for part in parts)
    probe = kind.fit(train, dev, n_classes, seed)
    said, scores = probe.predict(test[0]), probe.scores(test[0])
    probable = n_classes > 0 and not (isinstance(probe, LinearProbe) and probe.kind != "logistic")
    price = bits(probe, *test).float() if probable else torch.full((len(said),), torch.nan)
    margin = scores[:, 1] - scores[:, 0] if n_classes == 2 else scores[:, :0].flatten()
    share = [rightness(told, each, train[1]) for told, each in ((said, test[1]), (probe.predict(dev[0]), dev[1]))]
    return Judged(probe, share[0], price, said, margin, float(share[1].mean()))


def rightness(said: Shaped[Tensor, " test"], y: Shaped[Tensor, " test"], known: Shaped[Tensor, " train"]) -> Float[Tensor, " test"]:
    """How right each answer is.

    Arguments:
        said: classes, or numbers.
        y: what is true.
        known: what was learnt from, whose mean anybody could say of a number.
    """
    if not y.is_floating_point():
        return (said == y).float()
    spread = (y - known.mean()).square().mean()
    return (1 - (said - y).square() / spread.clamp_min(torch.finfo(spread.dtype).tiny)).float()


def macro_f1(said: Int[Tensor, " test"], y: Int[Tensor, " test"]) -> float:
    """The mean over classes, of those that occur or are said, of 2 TP / (2 TP + FP + FN).

    Arguments:
        said: classes.
        y: what is true.

    >>> macro_f1(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 1, 1]))
    0.7333...
    """
    n = int(torch.cat([said, y]).max()) + 1
    hits = torch.bincount(y[said == y], minlength=n).double()
    total = torch.bincount(said, minlength=n) + torch.bincount(y, minlength=n)
    return float((2 * hits / total)[total > 0].mean())


def auc(margin: Float[Tensor, " test"], y: Int[Tensor, " test"]) -> float:
    """How often an example of the second class is ranked above one of the first, ties counting half; nan where one of them is missing.

    Arguments:
        margin: how far the second class is ahead.
        y: 0 or 1.

    >>> auc(torch.tensor([0.1, 0.4, 0.35, 0.8]), torch.tensor([0, 0, 1, 1]))
    0.75
    """
    positive = int(y.sum())
    pairs = positive * (len(y) - positive)
    above = float(ranks(margin)[y == 1].sum()) - positive * (positive - 1) / 2
    return above / pairs if pairs else float("nan")
