"""How an evaluation is drawn: every basis in a table, and in the plane of what it costs and what it keeps."""

from itertools import pairwise
from typing import TYPE_CHECKING

from sonde.dictionaries.evaluation.activity import EDGES, histogram
from sonde.dictionaries.evaluation.controls import KINDS
from sonde.evidence import t_interval
from sonde.results import Drawing
from sonde.results.drawing import Points, Series, lines, scatter, table, tabs

if TYPE_CHECKING:
    from sonde.dictionaries.evaluation.results import Evaluation

MOST_SERIES = 8
INTERVALS = "95 % intervals over texts; points and intervals count all tokens alike"


def overview(evaluation: "Evaluation") -> Drawing:
    """All drawings of an evaluation, behind tabs.

    Arguments:
        evaluation: what was measured.
    """
    drawn = [("measures", measures(evaluation)), ("explained", plane(evaluation, "fvu", "share of the variance left unexplained"))]
    if "recovered_mean" in evaluation.measures:
        drawn.append(("loss", plane(evaluation, "recovered_mean", "share of the loss recovered, against the mean")))
    if "f1" in evaluation.measures:
        drawn.append(("properties", properties(evaluation)))
    return tabs("Is it a good dictionary?", [*drawn, ("densities", densities(evaluation))])


def measures(evaluation: "Evaluation") -> Drawing:
    """A row for each basis.

    Arguments:
        evaluation: what was measured.
    """
    frame = evaluation.to_frame().drop("control")
    shown = [name for name in frame.columns if frame[name].null_count() < len(frame)]
    rows = [[round(cell, 4) if isinstance(cell, float) else cell for cell in row] for row in frame.select(shown).rows()]
    controls = [place for place, name in enumerate(evaluation.names) if name not in evaluation.judged]
    note = f"over {evaluation.rows:,} activations; {'; '.join(evaluation.notes)}" if evaluation.notes else f"over {evaluation.rows:,} activations"
    return table("How good is each?", shown, rows, unranked=controls, note=note)


def plane(evaluation: "Evaluation", measure: str, unit: str) -> Drawing:
    """A measure over L0: of two bases the better one keeps more with less.

    Arguments:
        evaluation: what was measured.
        measure: its name.
        unit: what it is.
    """
    groups: dict[str, list[int]] = {}
    for place, name in enumerate(evaluation.names):
        kind = "judged" if name in evaluation.judged else next(kind for kind in KINDS if kind in name)
        groups.setdefault(kind, []).append(place)
    drawn = []
    for group, places in groups.items():
        order = sorted(places, key=lambda place: evaluation.measures["l0"][place] or 0.0)
        kept = [place for place in order if evaluation.measures[measure][place] is not None]
        ends = [_interval(evaluation, place) for place in kept] if measure == "fvu" else None
        low, high = ([end[side] for end in ends] for side in (0, 1)) if ends else (None, None)
        drawn.append(
            Points(group, [evaluation.measures["l0"][p] for p in kept], [evaluation.measures[measure][p] for p in kept], low, high,
                   [evaluation.names[p] for p in kept], joined=len(kept) > 1)
        )  # fmt: skip
    note = INTERVALS if measure == "fvu" else ""
    return scatter("What is kept with how few?", "latents active in an activation (L0)", unit, drawn[:MOST_SERIES], note=note)


def densities(evaluation: "Evaluation") -> Drawing:
    """How many latents are active how often.

    Arguments:
        evaluation: what was measured.
    """
    shown = evaluation.judged[:MOST_SERIES]
    drawn = [Series(name, histogram(evaluation.density[evaluation.names.index(name)])) for name in shown]
    dead = ", ".join(f"{name} {int((evaluation.density[evaluation.names.index(name)] == 0).sum())}" for name in shown)
    middles = [f"{(low + high) / 2:g}" for low, high in pairwise(EDGES)]
    return lines(
        "How often are latents active?", "latents", "share of the activations, log10", middles, drawn,
        note=f"never active in {evaluation.rows:,} activations: {dead}",
    )  # fmt: skip


def properties(evaluation: "Evaluation") -> Drawing:
    """The best F1 of each property in each basis.

    Arguments:
        evaluation: what was measured; with properties.
    """
    assert evaluation.properties is not None
    by_property = evaluation.properties.pivot("basis", index="property", values="f1")
    rows = [[round(cell, 3) if isinstance(cell, float) else cell for cell in row] for row in by_property.rows()]
    return table("Which properties have a latent?", by_property.columns, rows, note="F1 of the best latent, on texts that it was not chosen on")


def _interval(evaluation: "Evaluation", place: int) -> tuple[float, float]:
    """Of the FVU as a ratio of sums over texts, by its linear part (Cochran 1977, section 6.4): a point and its interval count tokens alike."""
    errors, share = evaluation.errors[place], evaluation.lengths / evaluation.lengths.mean()
    fvu = (share * errors).mean()
    return t_interval(fvu + share * (errors - fvu)) if len(errors) > 1 else (float("nan"), float("nan"))
