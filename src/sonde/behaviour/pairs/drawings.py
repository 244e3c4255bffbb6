"""Minimal pairs as drawings: the table of models and phenomena, its columns as bars, every paradigm, and single pairs."""

from typing import TYPE_CHECKING

from sonde.behaviour.pairs.shares import Share
from sonde.results import Drawing
from sonde.results.drawing import Control, bars, table, tabs

if TYPE_CHECKING:
    from sonde.behaviour.pairs.results import MinimalPairs

UNIT = "% of pairs"
CHANCE = Control("a coin", 50.0, None)


def draw(result: "MinimalPairs") -> Drawing:
    """The accuracies, behind tabs.

    Arguments:
        result: what was found.
    """
    parts = [("phenomena", phenomena(result))]
    parts += [(f"bars: {model}", _bars(result, m)) for m, model in enumerate(result.models)]
    parts += [("paradigms", paradigms(result))]
    return tabs("Does it prefer the acceptable sentence?", parts)


def single(result: "MinimalPairs") -> list[Drawing]:
    """The pairs that tell most, behind tabs: the hardest ones, and those on which models disagree; whichever there are.

    Arguments:
        result: what was found.
    """
    kinds = (("Which pairs are hardest?", result.hardest), ("On which pairs do the models disagree?", result.disagreeing))
    named = [(title, [(f"{i}: {one.model}", one.drawing()) for i, one in enumerate(pairs, start=1)]) for title, pairs in kinds]
    return [tabs(title, drawn) for title, drawn in named if drawn]


def phenomena(result: "MinimalPairs") -> Drawing:
    """One row per model, one column per phenomenon.

    Arguments:
        result: what was found.
    """
    heads = ["overall", *result.phenomena]
    rows, intervals = [], []
    for model, overall, shares in zip(result.models, result.overall, result.by_phenomenon, strict=True):
        cells = [overall, *(shares.get(name) for name in result.phenomena)]
        rows.append([model, *(None if cell is None else 100 * cell.value for cell in cells)])
        intervals.append([None, *(None if cell is None else _percent(cell) for cell in cells)])
    for row in result.published:
        theirs = result.theirs(row)
        if theirs:
            rows.append([row.name, *(100 * theirs[head] for head in heads)])
            intervals.append([None] * (1 + len(heads)))
    others = list(range(len(result.models), len(rows)))
    title = "Which phenomena does it know?"
    return table(title, ["model", *heads], rows, intervals=intervals, best="highest", unranked=others, unit=UNIT, note=_note(result))


def paradigms(result: "MinimalPairs") -> Drawing:
    """One row per paradigm, one column per model.

    Arguments:
        result: what was found.
    """
    names = [name for group in result.phenomena.values() for name in group]
    rows, intervals = [], []
    for name in names:
        cells = [shares.get(name) for shares in result.by_paradigm]
        rows.append([name, *(None if cell is None else 100 * cell.value for cell in cells)])
        intervals.append([None, *(None if cell is None else _percent(cell) for cell in cells)])
    return table("Which paradigms does it know?", ["paradigm", *result.models], rows, intervals=intervals, unit=UNIT)


def _bars(result: "MinimalPairs", m: int) -> Drawing:
    shares = result.by_phenomenon[m]
    values = [100 * share.value for share in shares.values()]
    intervals = [_percent(share) for share in shares.values()]
    return bars(f"What does {result.models[m]} know?", UNIT, list(shares), values, intervals=intervals, control=CHANCE, zero="never right")


def _percent(share: Share) -> tuple[float, float]:
    return 100 * share.low, 100 * share.high


def _note(result: "MinimalPairs") -> str:
    """What one must know to read the table."""
    n, count = len(result.pairs), len(result.paradigms)
    how = f"{result.method}{f', per {result.normalise}' if result.normalise else ''}"
    tied = ", ".join(f"{model} {ties}" for model, ties in zip(result.models, result.ties, strict=True) if ties)
    said = [f"{n:,} pairs of {count} paradigms, {how}; means over paradigms with 95 % intervals; chance is 50"]
    said += [f"ties count as wrong: {tied}"] if tied else []
    said += [f"{len(result.problems):,} pairs left out"] if result.problems else []
    said += ["rows marked 'authors' are published figures, not ours"] if result.published else []
    return "; ".join(said) + "."
