"""A unit in the middle, those that excite it above, those that inhibit it below: each by its slice and, if there is a picture, what it looks for."""

from collections.abc import Callable
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
from sonde.vision.sentences import sentences

if TYPE_CHECKING:
    from sonde.vision.weight_results import Partner, UnitWeights


def partners_drawn(found: "UnitWeights", unit: int, n: int) -> Drawing:
    """The drawing of those by which a unit is built.

    Arguments:
        found: the weights.
        unit: by number.
        n: partners on either side.
    """
    row, before, name = found.units.index(unit), found.source.removesuffix(":out"), found.name(unit)
    sides = [(words, found.incoming(unit, n, sign)) for words, sign in (("excited by", 1), ("inhibited by", -1))]
    return _drawn(found, f"Of which units of {before} is {name} built?", name, before, sides, lambda one: found.weight[row, one.number])


def fed_drawn(found: "UnitWeights", channel: int, n: int) -> Drawing:
    """The drawing of those that a channel of the source builds.

    Arguments:
        found: the weights.
        channel: of the source, by number.
        n: partners on either side.
    """
    after, name = found.layer.removesuffix(":out"), found.labels[channel]
    sides = [(words, found.outgoing(channel, n, sign)) for words, sign in (("excites", 1), ("inhibits", -1))]
    title = f"Which units of {after} does {name} build?"
    return _drawn(found, title, name, after, sides, lambda one: found.weight[found.units.index(one.number), channel])


def _drawn(
    found: "UnitWeights", title: str, name: str, layer: str, sides: "list[tuple[str, list[Partner]]]", slice_of: "Callable[[Partner], Tensor]"
) -> Drawing:  # fmt: skip
    """One side of partners, the unit that was asked for, the other side."""
    width = max(1, *(len(side) for _, side in sides))
    rows: list[tuple[str, list[Any], list[Any], list[float | None], list[str]]] = []

    def short(partner: "Partner") -> str:
        return f"unit {partner.number}" if partner.name == f"{layer}:{partner.number}" else partner.name

    opened = None
    for place, (words, partners) in enumerate(sides):
        said = [short(one) + (f", strength {one.strength:.3g}".replace("-", "−") if found.count else "") for one in partners]
        amounts: list[float | None] = [one.contribution if found.count else one.strength for one in partners]
        rows.append((words, [], [slice_of(one) for one in partners], amounts, said))
        seen = [found.pictures.get(one.name) for one in partners]
        if any(one is not None for one in seen):
            rows.append(("... which look for", seen, [], [], [short(one) for one in partners]))
        if place == 0 and name in found.pictures:
            own: list[Any] = [None] * width
            own[(width - 1) // 2] = found.pictures[name]
            opened = len(rows), (width - 1) // 2
            rows.append((name, own, [], [], ["" if one is None else "looks for this" for one in own]))

    def column(part: int, empty: Any) -> list[list[Any]]:
        lines: list[list[Any]] = [list(row[part]) for row in rows]
        return [[*line, *[empty] * (width - len(line))] for line in lines]

    note = sentences((f"ranked by {found.ranked_by}", *found.notes))
    return picture_grid(
        title, "mean contribution" if found.count else "sum of weights", column(1, None), row_name="partners", rows=[row[0] for row in rows],
        col_name="the strongest first", cols=[str(i + 1) for i in range(width)], values=column(3, None), details=column(4, ""),
        maps=column(2, None), map_unit="weight", zero="no weight", opened=opened, note=note,
    )  # fmt: skip


def looked_for(
    found: "UnitWeights", model: Model, unit: int, n: int, normalise: Normalisation | str | None, steps: int, seed: int, progress: bool
) -> dict[str, Float[Tensor, "channel row col"]]:  # fmt: skip
    """Pictures that excite a unit and its partners most, by their names.

    Arguments:
        found: the weights.
        model, unit, n, normalise, steps, seed, progress: as for `UnitWeights.visualised`.
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
