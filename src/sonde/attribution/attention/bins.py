"""Values of texts, by how large the largest weight is: a small largest weight means that the attention hardly chooses."""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor

from sonde.results import Drawing
from sonde.results.drawing import violins

EDGES = (0.0, 0.25, 0.5, 0.75, 1.0)


def by_largest(title: str, unit: str, values: Float[Tensor, " text"], largest: Float[Tensor, " text"], note: str = "") -> Drawing:
    """Violins of values, one for each range of the largest weight that some text falls into.

    Arguments:
        title: the question the drawing answers.
        unit: of the values.
        values: one per text; NaN is left out.
        largest: the largest weight of each text.
        note: one sentence under the drawing.
    """
    names, samples = [], []
    for low, high in pairwise(EDGES):
        inside = (largest > low) & (largest <= high) & ~values.isnan()
        if bool(inside.any()):
            names.append(f"largest weight {low:g} to {high:g}")
            samples.append(values[inside].tolist())
    return violins(title, unit, names, samples, note=note)
