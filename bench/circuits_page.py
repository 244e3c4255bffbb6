"""The page of the studies of circuits, made of their figures: nothing in it is written by hand but what stands in this file, which quotes none."""

from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]

HEAD = """# Studies of circuits

What is found where something is known: by the model's training, by its card, or because the circuit was written into the weights. Every figure
here was measured by `python -m bench.circuits`, which writes this page. Circuits are searched on one half of the examples and judged on the
other; ✓ holds, ✗ does not hold, – could not be tested. *Alone* is the faithfulness, the share of the gap that the circuit restores by itself,
with its 95 % interval; *random* the mean and the highest of random connected circuits with as many edges.
"""

TASKS = """## Four tasks in one model

`sonde circuit find --task TASK -n 32` on `specimen:words`: the fewest of the strongest edges that keep nine tenths of the gap on the search
examples. The verdicts: is it enough, is it needed, does each of its edges matter?
"""

REUSE = """## Do tasks share their circuits?

Edges that both circuits have, beside what chance would give: any edges; as many in each pair of layers; parts with as many edges as in the two.
The last columns count heads and MLPs, within layers. Circuits of one model look alike for reasons of their own, such as what every answer passes
through: where only the first null is beaten, no reuse is shown.
"""

CHOICES = """## How far does the circuit depend on what was chosen?

Indirect objects in `specimen:words`, with one choice changed at a time. *Jaccard* and *area* compare with the circuit of the first row: its edges
against those that were found, and how well the new scores rank it. Each circuit's faithfulness is that under its own choice.
"""

PROGRAMS = """## Programs whose circuit is known

The area under the receiver operating characteristic of scores against the edges of [compiled circuits](../compiled.md), the mean over seeds; 1
where every edge of the circuit comes before every other one. OR gates, saturated gates and heads in reserve are there to be missed: what others
do meanwhile has no single effect, and what is flat has no slope. – is refused: EAP-IG over inputs moves
from one prompt to another, which zero ablation does not.
"""

INDUCTION = """## The heads that a card names

`specimen:induction`, two layers: are the heads that look at the previous token, and at what followed the word before, those of the circuit of the
task `induction`? A head is as strong as its strongest outgoing edge; *area* is that of the named heads against the others.
"""

STORIES = """## She or he, in a model of stories

`python -m bench.circuits stories --stories FOLDER` on stories260k, with girls and boys of whom something is said ("Lily was tired, so").
"""


def written(studies: dict[str, Any]) -> str:
    """The page.

    Arguments:
        studies: rows and seconds, by the name of the study; a study that was not made has no section.
    """
    parts = [HEAD]
    for name, (head, table) in SECTIONS.items():
        if name in studies:
            parts.append(f"{head}\n{table(studies[name]['rows'])}\n\n{studies[name]['seconds']:.0f} s of one core.\n")
    return "\n".join(parts)


def _tasks(rows: Sequence[Row]) -> str:
    names = ("task", "gap", "edges", "alone", "random", "verdicts", "report")
    return table(
        names,
        [[_code(row["task"]), f"{row['gap']:.2f}", *_found(row), f"[page](../circuits/{row['task']}.html)"] for row in rows],
    )  # fmt: skip


def _reuse(rows: Sequence[Row]) -> str:
    names = ("tasks", "edges", "both", "by chance", "p, any", "p, by layers", "p, by degrees", "parts", "by chance", "p")
    return table(
        names,
        [
            [
                f"{_code(row['one'])}, {_code(row['other'])}", f"{row['first']}, {row['second']}", str(row["both"]), f"{row['expected']:.1f}",
                *(f"{row[f'p_{null}']:.2g}" for null in ("uniform", "layers", "degrees")), str(row["nodes"]), f"{row['nodes_expected']:.1f}",
                f"{row['p_nodes']:.2g}",
            ]
            for row in rows
        ],
    )  # fmt: skip


def _choices(rows: Sequence[Row]) -> str:
    names = ("choice", "edges", "alone", "random", "verdicts", "Jaccard", "area", "s")
    found = []
    for row in rows:
        if "refused" in row:
            found.append([row["choice"], f"refused: {row['refused'].split(':')[0]}", *[""] * 6])
        else:
            found.append([row["choice"], *_found(row), f"{row['jaccard']:.2f}", f"{row['auc']:.2f}", f"{row['seconds']:.0f}"])
    return table(names, found)


def _programs(rows: Sequence[Row]) -> str:
    methods = list(dict.fromkeys(row["method"] for row in rows))
    lines = []
    for name, kind in dict.fromkeys((row["program"], row["ablation"]) for row in rows):
        own = {row["method"]: row for row in rows if (row["program"], row["ablation"]) == (name, kind)}
        lines.append([_code(name), kind, *(_area(own[method]) for method in methods)])
    return table(("program", "ablation", *methods), lines)


def _induction(rows: Sequence[Row]) -> str:
    lines = [
        [", ".join(row["previous token"]), ", ".join(row["induction"]), ", ".join(row["heads of the circuit"]), f"{row['auc']:.2f}", *_found(row)]
        for row in rows
    ]
    return table(("previous token", "induction", "heads of the circuit", "area", "edges", "alone", "random", "verdicts"), lines)


def _stories(rows: Sequence[Row]) -> str:
    lines = [[f"{row['gap']:.2f}", *_found(row), str(len(row["heads"]))] for row in rows]
    return table(("gap", "edges", "alone", "random", "verdicts", "heads"), lines)


def _found(row: Row) -> list[str]:
    """Size, faithfulness, that of random circuits, and the verdicts."""
    alone = f"{row['faithfulness']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
    return [f"{row['edges']} of {row['of']:,}", alone, f"{row['random']:.2f}, {row['random_high']:.2f}", " ".join(row["verdicts"])]


def _area(row: Row) -> str:
    return f"{sum(row['auc']) / len(row['auc']):.2f}" if row["auc"] else "–"


def table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown.

    Arguments:
        names: of the columns.
        rows: their cells.
    """
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def _code(text: str) -> str:
    return f"`{text}`"


SECTIONS = {
    "tasks": (TASKS, _tasks), "reuse": (REUSE, _reuse), "choices": (CHOICES, _choices), "programs": (PROGRAMS, _programs),
    "induction": (INDUCTION, _induction), "stories": (STORIES, _stories),
}  # fmt: skip
