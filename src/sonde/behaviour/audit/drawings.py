"""Drawings of an audit."""

from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from sonde.evidence import t_interval
from sonde.results import Drawing
from sonde.results.drawing import Series, bars, matrix, table, tabs

if TYPE_CHECKING:
    from sonde.behaviour.audit.results import Audit


def whole(found: "Audit") -> Drawing:
    """All drawings of an audit, behind tabs."""
    parts = [("effects", effects(found, False))]
    if found.joint:
        parts.append(("with what implies it", effects(found, True)))
    parts += [(f"claims: {name}", claims(found, name, bool(found.joint))) for name in found.claims]
    if len(found.values) > 1:
        parts += [("pairs", pairs(found)), ("two at once", both(found))]
    parts += [("values", contrasts(found)), ("decisions", decisions(found))]
    return tabs("What does the output depend on?", parts, note=_note(found))


def effects(found: "Audit", joint: bool) -> Drawing:
    """How much each attribute moves the output."""
    sizes = found.sizes(joint)
    means = [float(values.nanmean()) for values in sizes.values()]
    return bars(
        "What moves the output when it is changed?" if not joint else "What moves it together with what implies it?",
        found.unit,
        list(sizes),
        means,
        intervals=[_ends(values[~values.isnan()]) for values in sizes.values()],
        note="The mean size of the change over all other values of the attribute and over profiles.",
    )


def claims(found: "Audit", claim: str, joint: bool) -> Drawing:
    """What intervention says and what an attribution claims, as shares."""
    shares, claimed = found.shares(joint), found.claimed_shares(claim, joint)
    judged = next((one for one in found.faithfulness(joint) if one.claim == claim), None)
    note = "No attribute has any effect, so there is nothing to claim."
    if judged is not None:
        verdict = "flagged" if judged.flagged else "not flagged"
        note = f"It under-claims {judged.attribute} by {judged.gap:.2f} of the whole ({verdict}: the threshold is 0.2); L1 {judged.distance:.2f}."
    return bars(
        f"Does {claim} say what intervention shows?",
        "share of all effects",
        list(shares),
        list(shares.values()),
        bar_control=Series(f"claimed by {claim}", [claimed[name] for name in shares]),
        note=note,
    )


def pairs(found: "Audit") -> Drawing:
    """The mean size of the interaction of every two attributes."""
    names = found.attributes
    cells = [[None if a == b else float(found.interactions(a, b).abs().nanmean()) for b in names] for a in names]
    return matrix(
        "Which attributes act together?", found.unit, cells, row_name="attribute", rows=names, col_name="attribute", cols=names,
        scale="sequential", zero="the effects add up",
        note="The mean size of the second difference: what two changes do beyond what each does alone.",
    )  # fmt: skip


def both(found: "Audit") -> Drawing:
    """The mean output with each value of the two attributes that move it most."""
    sizes = {name: float(values.nanmean()) for name, values in found.sizes().items()}
    first, second = sorted(sorted(sizes, key=lambda name: -sizes[name])[:2], key=found.attributes.index)
    return matrix(
        f"What comes out for each {first} and {second}?", found.unit, found.pairs[f"{first}, {second}"].nanmean(0), row_name=first,
        rows=found.values[first], col_name=second, cols=found.values[second], zero="undecided" if found.decision == 0 else "",
        note=f"The mean over profiles; in favour above {found.decision:g}.",
    )  # fmt: skip


def contrasts(found: "Audit") -> Drawing:
    """Every two values, with their mean effect."""
    listed = [*found.contrasts(), *(one for one in found.contrasts(joint=True) if one.joint)]
    rows = [[f"{one.attribute}{' (joint)' if one.joint else ''}", one.first, one.second, one.effect, one.n] for one in listed]
    ends = [[None, None, None, one.interval, None] for one in listed]
    heads = ["attribute", "instead of", "set to", "mean effect", "profiles"]
    return table("What does each value do?", heads, rows, intervals=ends, unit=found.unit)


def decisions(found: "Audit") -> Drawing:
    """How often some value of an attribute turns the decision."""
    rows, ends = [], []
    for name in found.attributes:
        for joint in (False, True) if name in found.joint else (False,):
            flipped, n, interval = found.flips(name, joint)
            rows.append([f"{name}{' (joint)' if joint else ''}", flipped / n if n else None, n])
            ends.append([None, interval, None])
    heads = ["attribute", "share flipped", "profiles"]
    return table(f"Whose decision flips? (in favour above {found.decision:g})", heads, rows, intervals=ends)


def _note(found: "Audit") -> str:
    notes = [f"{len(found.base)} profiles"]
    if found.impossible:
        notes.append(f"{found.impossible} changed profiles cannot exist and were left out")
    if found.refused:
        notes.append(f"{len(found.refused)} could not be shown to the model, the first: {found.refused[0]}")
    rest = found.non_additive()
    if rest == rest:
        notes.append(f"of the changes of all attributes at once {rest:.0%} is not the sum of the single effects")
    return "; ".join(notes) + "."


def _ends(values: Float[Tensor, " example"]) -> tuple[float, float] | None:
    return t_interval(values) if len(values) > 1 else None
