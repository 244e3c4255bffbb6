"""A unit in the middle, those that excite it above, those that inhibit it below: each by its slice and, if there is a picture, what it looks for."""

from typing import TYPE_CHECKING, Any

from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.results import Drawing
from sonde.results.drawing import picture_grid
from sonde.vision.layers import fitting
from sonde.vision.normalisation import Normalisation
from sonde.vision.objectives import Channel
from sonde.vision.parameters import Fourier
from sonde.vision.render import show

if TYPE_CHECKING:
    from sonde.vision.weight_results import Partner, UnitWeights

ZERO = "no weight"


def partners_drawn(found: "UnitWeights", unit: int, n: int) -> Drawing:
    """The drawing of one unit's partners.

    Arguments:
        found: the weights.
        unit: by number.
        n: partners on either side.
    """
    sides = {1: found.incoming(unit, n, 1), -1: found.incoming(unit, n, -1)}
    width = max(1, *(len(side) for side in sides.values()))
    row = found.units.index(unit)
    rows: list[tuple[str, list[Any], list[Any], list[float | None], list[str]]] = []

    def of(partners: "list[Partner]", words: str) -> None:
        slices = [found.weight[row, one.number] for one in partners]
        said = [one.name + (f", strength {one.strength:.3g}" if found.count else "") for one in partners]
        rows.append((words, [None] * len(partners), slices, [_ranked(found, one) for one in partners], said))
        seen = [found.pictures.get(one.name) for one in partners]
        if any(one is not None for one in seen):
            rows.append(("... which look for", seen, [None] * len(partners), [None] * len(partners), [one.name for one in partners]))

    of(sides[1], "excited by")
    name = found.name(unit)
    if name in found.pictures:
        own: list[Any] = [None] * width
        own[(width - 1) // 2] = found.pictures[name]
        rows.append((name, own, [None] * width, [None] * width, ["" if one is None else "looks for this" for one in own]))
    of(sides[-1], "inhibited by")
    shown = [tuple(part if i == 0 else _padded(part, width, "" if i == 4 else None) for i, part in enumerate(line)) for line in rows]  # type: ignore[arg-type]
    unit_of = "mean contribution" if found.count else "sum of weights"
    note = " ".join(f"{one[:1].upper()}{one[1:]}." for one in (f"ranked by {found.ranked_by}", *found.notes))
    words, pictures, maps, values, details = (list(part) for part in zip(*shown, strict=True))
    return picture_grid(
        f"Of what is {name} built?", unit_of, pictures, row_name=f"units of {found.source}", rows=words, col_name="the strongest first",
        cols=[str(i + 1) for i in range(width)], values=values, details=details, maps=maps, map_unit="weight", zero=ZERO, note=note,
    )  # fmt: skip


def looked_for(
    found: "UnitWeights", model: Model, unit: int, n: int, normalise: Normalisation | str | None, steps: int, seed: int, progress: bool
) -> dict[str, Float[Tensor, "channel row col"]]:  # fmt: skip
    """Pictures that excite a unit and its partners most, by their names.

    Arguments:
        found: the weights; the others as for `UnitWeights.visualised`.
    """
    partners = [one for sign in (1, -1) for one in found.incoming(unit, n, sign)]
    named = {one.name: Channel(*_site_and_number(one.name)) for one in partners if "[" not in one.name}
    named[found.name(unit)] = Channel(found.layer, unit)
    size, channels = fitting(model)
    how = normalise if normalise is not None or found.normalise is None else found.normalise
    made = Fourier(size, channels, "decorrelated" if channels == 3 else "plain")
    shown = show(model, list(named.values()), of=made, normalise=how, steps=steps, seed=seed, progress=progress)
    return dict(zip(named, shown.pictures, strict=True))


def _site_and_number(name: str) -> tuple[str, int]:
    layer, _, number = name.rpartition(":")
    return layer, int(number)


def _ranked(found: "UnitWeights", partner: "Partner") -> float:
    return partner.contribution if found.count else partner.strength


def _padded(values: list[Any], width: int, empty: Any) -> list[Any]:
    return [*values, *[empty] * (width - len(values))]
