"""All that was moved, on one plane: how far the weights went (JSD), and how far the outputs followed (TVD).

A curve of adversaries that stays low far to the right says that attention can be driven away at no cost; one that rises at once says that the outputs
rest on it. Other seeds lie where nobody drove anything (Wiegreffe and Pinter 2019, figure 5).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from sonde.attribution.attention.adversarial import AttentionAdversary
from sonde.attribution.attention.rivals import AttentionRivals
from sonde.evidence import t_interval
from sonde.results import Drawing, InputError, Recipe, Result
from sonde.results.drawing import Points, scatter

if TYPE_CHECKING:
    from polars import DataFrame

TEXT_BY_TEXT = "text by text"


@dataclass(frozen=True, eq=False, repr=False)
class AttentionPlane(Result):
    """Points on the plane of JSD and TVD, each a mean over the same texts.

    Arguments:
        series: the series that each point belongs to.
        names: of the points.
        distance: the mean JSD of the weights, in nats.
        distance_interval: its 95 % interval over texts.
        moved: the mean TVD of the outputs.
        moved_interval: its 95 % interval over texts.
        joined: the series whose points are a path, in their order.
    """

    series: tuple[str, ...]
    names: tuple[str, ...]
    distance: list[float]
    distance_interval: list[tuple[float, float]]
    moved: list[float]
    moved_interval: list[tuple[float, float]]
    joined: tuple[str, ...]

    def to_frame(self) -> "DataFrame":
        """One row per point."""
        import polars as pl

        columns: dict[str, list[object]] = {"series": list(self.series), "network": list(self.names), "jsd": list(self.distance)}
        columns |= {"jsd_low": [low for low, _ in self.distance_interval], "jsd_high": [high for _, high in self.distance_interval]}
        columns |= {"tvd": list(self.moved)}
        columns |= {"tvd_low": [low for low, _ in self.moved_interval], "tvd_high": [high for _, high in self.moved_interval]}
        return pl.DataFrame(columns)

    def drawing(self) -> Drawing:
        """The points, each series in its colour; those of one series are joined in their order."""

        def points(series: str) -> Points:
            of = [i for i, name in enumerate(self.series) if name == series]
            x, y, names = ([column[i] for i in of] for column in (self.distance, self.moved, self.names))
            low, high = zip(*(self.moved_interval[i] for i in of), strict=True)
            return Points(series, x, y, low, high, names, joined=series in self.joined)

        return scatter(
            "How far can the weights be moved, and do the outputs follow?",
            "JSD of the weights (nats)",
            "TVD of the outputs",
            [points(series) for series in dict.fromkeys(self.series)],
            note="Means over the texts, with 95 % intervals of the TVD. At most 0.693 and 1 are possible.",
        )


def plane(rivals: Mapping[str, AttentionRivals], adversary: AttentionAdversary | None = None, joined: Sequence[str] = ()) -> AttentionPlane:
    """Put other networks, and the weights found text by text, on one plane.

    Arguments:
        rivals: other networks beside one base, by the name of the series: seeds, adversaries.
        adversary: weights found for the same base.
        joined: the series whose points are a path, such as adversaries of rising strength.

    Raises:
        InputError: there is nothing, or results of different bases or texts.
    """
    results = [*rivals.values(), *([adversary] if adversary is not None else [])]
    if not results:
        raise InputError("there is nothing to put on the plane: give rivals")
    if len({(one.recipe.model_hash, one.recipe.inputs_hash) for one in results}) > 1:
        raise InputError("these results are of different networks or texts, and one plane compares them on the same: compute them anew")
    points = [
        (series, name, distance, moved)
        for series, one in rivals.items()
        for name, distance, moved in zip(one.names, one.distance, one.moved, strict=True)
    ]
    if adversary is not None:
        points.append((TEXT_BY_TEXT, f"bound {adversary.bound:g}", adversary.distance, adversary.moved))
    arguments = {"rivals": {name: str(one.recipe) for name, one in rivals.items()}, "adversary": None if adversary is None else str(adversary.recipe)}
    return AttentionPlane(
        series=tuple(series for series, *_ in points),
        names=tuple(name for _, name, *_ in points),
        distance=[float(distance.mean()) for *_, distance, _ in points],
        distance_interval=[_interval(distance) for *_, distance, _ in points],
        moved=[float(moved.mean()) for *_, moved in points],
        moved_interval=[_interval(moved) for *_, moved in points],
        joined=tuple(joined),
        recipe=Recipe.of(
            "sonde.attribution.attention.plane", arguments, model_hash=results[0].recipe.model_hash, inputs=results[0].recipe.inputs_hash
        ),
    )


def _interval(values: Float[Tensor, " text"]) -> tuple[float, float]:
    return t_interval(values) if len(values) > 1 else (float(values[0]), float(values[0]))
