"""How well predictions fit what a latent did.

A judge that answers nothing readable has said nothing: that counts as a probability of one half, and half right. So it can neither gain by silence
nor lose below chance, and how often it happened is told beside the score.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.evidence import ranks

UNREADABLE = 0.5


def auc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """The chance that a positive is rated above a negative, ties counting half (Mann and Whitney 1947).

    Arguments:
        positive: ratings.
        negative: ratings.

    Returns:
        NaN where one side is empty.

    >>> auc([0.9, 0.5], [0.5, 0.1])
    0.875
    """
    if not positive or not negative:
        return float("nan")
    order = ranks(torch.tensor([*positive, *negative], dtype=torch.float64))[: len(positive)]
    return float(order.sum() - len(positive) * (len(positive) - 1) / 2) / (len(positive) * len(negative))


def agreement(positive: Sequence[float], negative: Sequence[float]) -> dict[str, float]:
    """Balanced accuracy, F1, AUC and both error rates of probabilities; one half is half a yes.

    Arguments:
        positive: the probabilities where the answer is yes.
        negative: those where it is no.

    >>> agreement([1.0, 0.8], [0.0, 0.9])["balanced_accuracy"]
    0.75
    """
    hits, alarms = sum(map(yes, positive)), sum(map(yes, negative))
    misses = 1 - hits / len(positive) if positive else float("nan")
    false_alarms = alarms / len(negative) if negative else float("nan")
    return {
        "balanced_accuracy": (1 - misses + 1 - false_alarms) / 2, "f1": 2 * hits / (hits + alarms + len(positive)) if positive else float("nan"),
        "auc": auc(positive, negative), "misses": misses, "false_alarms": false_alarms,
    }  # fmt: skip


def pooled(real: Float[Tensor, " token"], simulated: Float[Tensor, " token"]) -> dict[str, float]:
    """Correlation, R^2 and share of absolute deviation explained, over the tokens of all windows together.

    R^2 = 1 - sum (a - s)^2 / sum (a - mean a)^2 and 1 - sum |a - s| / sum |a - median a|, without any fit to the data that are judged. The mean of
    each window's own correlation is another number: it gives a window in which next to nothing happens as much weight as one that is all signal.

    Arguments:
        real: activations.
        simulated: what was predicted for them, in the same unit.

    Returns:
        A prediction that is the same everywhere has a correlation of 0; all are NaN where the activations are the same everywhere.

    >>> found = pooled(torch.tensor([0.0, 0.0, 2.0]), torch.tensor([0.0, 0.0, 1.0]))
    >>> {name: round(value, 3) for name, value in found.items()}
    {'correlation': 1.0, 'r2': 0.625, 'absolute': 0.5}
    """
    a, s = real.double(), simulated.double()
    if not len(a) or bool((a == a[0]).all()):
        return dict.fromkeys(("correlation", "r2", "absolute"), float("nan"))
    x, y = a - a.mean(), s - s.mean()
    both = float(x.norm() * y.norm())
    return {
        "correlation": float(x @ y) / both if both > 0 else 0.0,
        "r2": 1 - float((a - s).square().sum() / x.square().sum()),
        "absolute": 1 - float((a - s).abs().sum() / (a - a.median()).abs().sum()),
    }


def readable(answers: Sequence[float | None]) -> list[float]:
    """The answers with one half in place of those that can't be read.

    Arguments:
        answers: `None` where there is none.
    """
    return [UNREADABLE if answer is None else answer for answer in answers]


def yes(probability: float) -> float:
    """How much of a yes a probability is: one half is half of one.

    Arguments:
        probability: that the answer is yes.
    """
    return 0.5 if probability == 0.5 else float(probability > 0.5)
