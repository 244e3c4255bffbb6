"""Are dataset examples true? The boxes must hold what drives the unit, and its label must hold on pictures by which it was not chosen.

Everything outside the box is made the picture's mean colour, and, as the control, everything inside it. The label is chosen by every second of the
largest pictures, and tested on the others, beside its share among all pictures.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.evidence import compare, untestable
from sonde.results import InputError, Verdict
from sonde.vision.files import Pictures, pictures_of
from sonde.vision.layers import site_of

if TYPE_CHECKING:
    import numpy as np

    from sonde.vision.example_results import DatasetExamples

LEAST = 0.99  # of the value is left but for rounding
SOURCE = "all but rounding"


def checked(
    found: "DatasetExamples", model: Model, pictures: "Float[Tensor, 'image channel row col'] | np.ndarray | str | Path"
) -> list[Verdict]:  # fmt: skip
    """The verdicts on each pictured unit.

    Arguments:
        found: the examples.
        model: the network that was asked.
        pictures: those that were looked at.
    """
    is_folder = isinstance(pictures, str | Path) and Path(pictures).is_dir()
    source = pictures_of(pictures, 3, found.field.picture if is_folder else None)
    if source.names != found.names or source.count < int(found.most.number.max()) + 1:
        raise InputError("these are not the pictures that were looked at: give the same ones")
    if is_folder:
        source.channels = len(next(iter(found.crops.values()))) if found.crops else 3
    verdicts = []
    for unit in found.pictured:
        verdicts.append(_boxed(found, model, source, unit))
        if found.labels:
            verdicts.append(_labelled(found, unit))
    return verdicts


def _boxed(found: "DatasetExamples", model: Model, source: Pictures, unit: int) -> Verdict:
    from sonde.vision.reading import maps_of

    claim = f"What drives {found.layer}:{unit} lies in the boxes that are shown of its largest pictures."
    measure = "share of the value that is left without all outside the box"
    examples = [one for one in found.drawn(unit) if one.kind == "most" and one.value > 0]
    boxed = [one for one in examples if one.box != (0, 0, *found.field.picture)]
    if not boxed:
        reason = "the boxes are whole pictures" if examples else "no picture excites it"
        return untestable(claim, measure, reason, threshold=LEAST, threshold_source=SOURCE)
    site = site_of(model, found.layer)
    shares = []
    for one in boxed:
        picture = source[one.number]
        inside = torch.zeros(picture.shape[1:], dtype=torch.bool)
        top, left, bottom, right = one.box
        inside[top:bottom, left:right] = True
        plain = picture.mean((1, 2), keepdim=True).expand_as(picture)
        both = torch.stack([picture.where(inside, plain), plain.where(inside, picture)])
        maps = maps_of(model, site, found.normalise(both))
        shares.append(maps[:, unit, one.place[0], one.place[1]] / one.value)
    kept, lost = torch.stack(shares, 1)
    return compare(claim, measure, kept, lost, threshold=LEAST, threshold_source=SOURCE)


def _labelled(found: "DatasetExamples", unit: int) -> Verdict:
    numbers = found.most.number[found.units.index(unit)]
    numbers = numbers[numbers >= 0]
    label = found._label(numbers[::2])
    base = float((found.label_of == label).double().mean())
    tested = (found.label_of[numbers[1::2]] == label).double()
    claim = f"Pictures that excite {found.layer}:{unit} most tend to show {found.labels[label]}."
    return compare(
        claim, "share of the label among every second of the largest pictures, the others of which chose it", tested, torch.full_like(tested, base),
        threshold=base, threshold_source="its share among all pictures",
    )  # fmt: skip
