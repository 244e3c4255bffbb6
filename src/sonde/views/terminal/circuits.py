"""Circuits in a terminal: the first edges as a list."""

from bisect import bisect_right
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sonde.results.drawing import Drawing
from sonde.views.terminal.amounts import MOST_BARS, ends, signed_bars, small_print
from sonde.views.terminal.ink import fitted, label
from sonde.views.text import readable


def circuit_graph(drawing: Drawing, width: int) -> RenderableType:
    """The first edges with their scores, and the measure of a circuit of the size that a page shows at first."""
    data = drawing.data
    count = min(MOST_BARS, len(data["scores"]))
    names = [fitted(edge_name(data, i), max(12, width - 24)) for i in range(count)]
    largest = max((abs(score) for score in data["scores"] if score is not None), default=0.0)
    which = "strongest" if data["order"] == "size" else "first"
    rules = [f"the {which} {count} of {data['total']} edges"] if count < data["total"] else [f"{count} edges"]
    rules += _measured(data["curve"], data["shown"]) if "curve" in data else []
    return Group(signed_bars(names, data["scores"][:count], [""] * count, width, largest), small_print(rules))


def circuit_pair(drawing: Drawing, width: int) -> RenderableType:
    """How many edges both circuits have and how many one alone, and the first of each."""
    data = drawing.data
    first, second = (label(name) for name in data["names"])
    heads = {1: "in both", 0: f"in {first} alone", 2: f"in {second} alone"}
    grid = Table.grid(padding=(0, 2))
    for side, words in heads.items():
        held = [edge_name(data, i) for i, of in enumerate(data["sides"]) if of == side]
        more = data["counts"][side] - min(MOST_BARS, len(held))
        listed = ", ".join(held[:MOST_BARS]) + (f" and {more} more" if more else "")
        grid.add_row(Text(str(data["counts"][side]), style="bold"), Text(fitted(words, max(10, width // 3))), Text(listed, style="dim"))
    return grid


def edge_name(data: dict[str, Any], edge: int) -> str:
    """Give an edge in words: its sender, its receivers, and which of their inputs it feeds."""
    labels = data["nodes"]["labels"]
    receiver = data["inputs"][data["receivers"][edge]]
    ends = [label(labels[node]) for node in receiver.get("under", receiver["feeds"])]
    named = ends[0] if len(ends) == 1 else f"{ends[0]} to {ends[-1]}"
    return f"{label(labels[data['senders'][edge]])} → {named} {label(receiver['port']) if receiver['port'] else ''}".rstrip()


def _measured(curve: dict[str, Any], shown: int) -> list[str]:
    """The measure at the largest measured size that is no larger than what is shown, and its control there; nothing where there is none."""
    place = bisect_right(curve["sizes"], shown) - 1
    if place < 0:
        return []

    def at(one: dict[str, Any]) -> str:
        like = max((abs(value) for value in curve["values"] if value is not None), default=0.0)
        value = readable(one["values"][place], like=like)
        return f"{value} ({ends([one['low'][place], one['high'][place]], like)})" if "low" in one else value

    words = [f"{label(curve['name'])} of {curve['sizes'][place]} edges: {at(curve)}"]
    return [*words, f"{label(curve['control']['name'])}: {at(curve['control'])}"] if "control" in curve else words
