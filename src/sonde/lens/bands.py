"""A course over the layers as a line with its band."""

from jaxtyping import Float
from torch import Tensor

from sonde.evidence import t_interval
from sonde.results.drawing import Series


def banded(name: str, values: Float[Tensor, "layer example"]) -> Series:
    """The mean over examples at each layer, with its interval where there are several.

    Arguments:
        name: what is drawn.
        values: one for each layer and example.
    """
    if values.shape[1] < 2:
        return Series(name, values.mean(1))
    ends = [t_interval(row) for row in values]
    return Series(name, values.mean(1), [low for low, _ in ends], [high for _, high in ends])
