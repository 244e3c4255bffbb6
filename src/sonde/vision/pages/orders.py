"""In which order do the units of a layer stand on its page? So that neighbours are alike in what was measured, which is said."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from sonde.access import Model
from sonde.results import InputError, shown
from sonde.vision.slices import slices
from sonde.vision.tuning import Tuning

if TYPE_CHECKING:
    from sonde.vision.example_results import DatasetExamples
    from sonde.vision.families import Families

ORDERS = {
    "orientation": "by the direction of the waves that each prefers, where the answer to the best rises by half of its size or more above the middle "
    "of the sweep; then by the hue, where that holds for colours; then the others by number",
    "families": "by family, the largest first, in each by what leads from one to the next; then the units that stand alone",
    "weights": "so that neighbours read alike: the leaves of a tree of the cosines of their weights",
    "activity": "by the share of the pictures on which each is not zero",
    "number": "by number",
}
CLEAR = 0.5  # of a unit's largest answer, by which it must rise to count as tuned
IGNORED = 0.1  # of its answer to the stimuli that excite it most


def clearly(tunings: Sequence[Tuning], unit: int) -> dict[str, float]:
    """What a unit prefers, by the stimuli of which the best answer rises above the middle of the sweep by half of its size or more.

    A description, and no test. Stimuli of which the best excites it by less than a tenth of what others do are left out: what it prefers
    among them says little of it, and of some it sees nothing but roundings.

    Arguments:
        tunings: how it answers to stimuli that go round.
        unit: by number.
    """
    peaks = [float(one.curve(unit).max()) for one in tunings]
    largest = max(peaks, default=0.0)
    return {
        one.stimuli.name: one.mean(unit)
        for one, peak in zip(tunings, peaks, strict=True)
        if peak > IGNORED * largest and one.height(unit) >= CLEAR * peak
    }


def ordered(
    by: str, model: Model, layer: str, units: Sequence[int], tunings: Sequence[Tuning], families: "Families | None",
    examples: "DatasetExamples | None",
) -> list[int]:  # fmt: skip
    """The units in order.

    Arguments:
        by: a name of `ORDERS`.
        model, layer, units: which.
        tunings, families, examples: what was measured of them.

    Raises:
        InputError: another order, or one that asks for what was not measured.
    """
    if by not in ORDERS:
        raise InputError(f"order={shown(by)}: choose one of {', '.join(ORDERS)}")
    if by == "activity" and examples is None:
        raise InputError("order='activity' is by how often units fire on pictures: give some")
    if by == "weights":
        return _alike(model, layer, units)
    return sorted(units, key=_keys(by, tunings, families, examples))


def _keys(
    by: str, tunings: Sequence[Tuning], families: "Families | None", examples: "DatasetExamples | None"
) -> Callable[[int], tuple[float, ...]]:  # fmt: skip
    if by == "orientation":
        cyclic = [one for one in tunings if one.stimuli.name in ("gratings", "colours")]

        def oriented(unit: int) -> tuple[float, ...]:
            angles = list(clearly(cyclic, unit).items())
            names = [one.stimuli.name for one in cyclic]
            return (names.index(angles[0][0]), angles[0][1], unit) if angles else (len(names), 0.0, unit)

        return oriented
    if by == "families" and families is not None:
        places = {unit: (family, i) for family in range(families.count) for i, unit in enumerate(families.members(family))}
        return lambda unit: (*places.get(unit, (families.count, 0)), unit)
    if by == "activity" and examples is not None:
        density = dict(zip(examples.units, examples.density.tolist(), strict=True))
        return lambda unit: (-density[unit], unit)
    return lambda unit: (unit,)


def _alike(model: Model, layer: str, units: Sequence[int]) -> list[int]:
    """The leaves of a tree by average linkage, those next to one another as alike as the tree allows."""
    if len(units) < 3:
        return list(units)
    weight = slices(model, layer)[list(units)].flatten(1).double()
    weight = weight / weight.norm(dim=1, keepdim=True).clamp(min=1e-12)
    apart = (1 - weight @ weight.T).clamp(min=0)
    apart = ((apart + apart.T) / 2).fill_diagonal_(0)
    tree = linkage(squareform(apart.numpy(), checks=False), "average", optimal_ordering=True)
    return torch.tensor(list(units))[leaves_list(tree)].tolist()
