"""A text under several sets of attention weights, one at a time, with what comes out of each."""

import math
from collections.abc import Sequence
from typing import Any

from sonde.results.drawing.base import Drawing, flat, legend_of, named
from sonde.results.plain import Numbers, nested, repeated


def swap(
    title: str,
    tokens: Sequence[str],
    alternatives: Sequence[tuple[str, Numbers, object]],
    *,
    unit: str = "attention weight",
    note: str = "",
) -> Drawing:
    """Draw a text coloured by one set of weights, which the reader may swap for another, and the outputs of all sets.

    Arguments:
        title: the question the drawing answers.
        tokens: the tokens as the tokenizer gives them, leading spaces included.
        alternatives: (label, weights, output) for each set: one weight of at least zero per token, and what the model gave under them, a text
            or a number. The first is the one that the others are compared with.
        unit: the unit of the weights.
        note: one sentence under the drawing.

    Raises:
        DrawingError: no set, two of one name, a length that does not fit the tokens, or a weight that is missing, infinite or below zero.

    >>> sets = [("learned", [0.9, 0.1], "positive 0.98"), ("adversarial", [0.2, 0.8], "positive 0.97")]
    >>> [round(one["apart"], 3) for one in swap("Must it look there?", ["good", " film"], sets).data["alternatives"]]
    [0.0, 0.7]
    """
    with named(title):
        texts = nested("tokens", tokens, (None,), str)
        if not alternatives:
            raise ValueError("it has no weights; give at least one (label, weights, output)")
        if twice := repeated([label for label, _, _ in alternatives]):
            raise ValueError(f"two sets of weights are called {twice[0]!r}")
        rows = [nested(f"the weights {label!r}", weights, (len(texts),), _weight) for label, weights, _ in alternatives]
        data: dict[str, Any] = {
            "tokens": texts,
            "alternatives": [
                {"label": label, "weights": row, "output": output if isinstance(output, str) else f"{output:.5g}", "apart": _apart(row, rows[0])}
                for (label, _, output), row in zip(alternatives, rows, strict=True)
            ],
        }
        return Drawing("swap", title, unit, data, legend=legend_of(flat(rows), "sequential", None, "not looked at"), note=note)


def _apart(weights: Sequence[float], others: Sequence[float]) -> float:
    """Total variation distance: half the sum of the differences' sizes."""
    return math.fsum(abs(one - other) for one, other in zip(weights, others, strict=True)) / 2


def _weight(value: Any) -> float:
    amount = float(value)
    if not (amount >= 0 and math.isfinite(amount)):
        raise ValueError("a weight is a number of at least zero")
    return amount
