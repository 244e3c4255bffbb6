"""What a classifier says: a logit for each class of each example, and nothing that only looks like it."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.access.inputs import Given
from sonde.results import InputError


def class_logits(model: Model, inputs: Given, classes: Sequence[int] | None = None) -> Float[Tensor, "example class"]:
    """The logits of the classes, in float64, in which no softmax of float32 logits is 0.

    Arguments:
        model: a classifier; of a language model the last position is read.
        inputs: examples.
        classes: the logits that are classes; all by default.

    Raises:
        InputError: logits that are not finite; no logit for each of at least two classes (of one alone every softmax is 1, and every answer right).
    """
    with torch.no_grad():
        logits = model.run(inputs, logits="last" if model.architecture.d_vocab else True).logits_at(-1)
    if logits.ndim != 2 or (logits.shape[1] if classes is None else len(classes)) < 2:
        raise InputError(
            f"{model.name} returns {tuple(logits.shape)}, and a classifier returns a logit for each of two classes or more: "
            "give a score z as the two logits 0 and z"
        )
    logits = logits.double().cpu()
    logits = logits if classes is None else logits[:, list(classes)]
    bad = (~logits.isfinite().all(1)).nonzero()[:, 0].tolist()
    if bad:
        raise InputError(f"the logits of {len(bad)} of {len(logits)} examples are not finite, the first of example {bad[0]}: look at that input")
    return logits
