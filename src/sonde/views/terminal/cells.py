"""Coloured cells in a terminal: strips of tokens, heat maps, lenses, attention."""

from collections.abc import Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

from sonde.results.drawing import Drawing, unpacked
from sonde.views.terminal.amounts import MOST_BARS, signed_bars, small_print
from sonde.views.terminal.ink import fitted, label, sentence, tone
from sonde.views.text import readable, shared_size, visible
from sonde.views.text import token as drawn

MOST_ROWS = 24
CELL = 11  # of a lens


def tokens(drawing: Drawing, width: int) -> RenderableType:
    """Each token over its value and its role, packed into lines."""
    names = [fitted(drawn(token), max(8, width - 2)) for token in drawing.data["tokens"]]
    styles, below = [Style() for _ in names], []
    if "values" in drawing.data:
        signed = drawing.legend["scale"] == "diverging"
        styles = [tone(value, drawing.legend) for value in drawing.data["values"]]
        below.append([readable(value, signed=signed, like=drawing.legend["high"]) for value in drawing.data["values"]])
    if "roles" in drawing.data:
        roles = drawing.data["roles"]
        below.append(["" if role is None else fitted(visible(roles["names"][role]), max(8, width - 2)) for role in roles["of"]])
    lines: list[list[Text]] = []
    for name, style, *under in zip(names, styles, *below, strict=True):
        room = max(map(cell_len, [name, *under]))
        if not lines or cell_len(lines[-1][0].plain) + room > width:
            lines.append([Text() for _ in range(1 + len(below))])
        for line, text, ink in zip(lines[-1], [name, *under], [style, *[Style(dim=True)] * len(under)], strict=True):
            line.append(text, style=ink).append(" " * (room - cell_len(text) + 2))
    return Group(*(line for block in lines for line in block))


def matrix(drawing: Drawing, width: int) -> RenderableType:
    """The grid with its shorter axis across where that fits; otherwise its strongest cells."""
    values, row, col = drawing.data["values"], drawing.axes["row"], drawing.axes["col"]
    if len(col["labels"]) > len(row["labels"]):
        values, row, col = [list(column) for column in zip(*values, strict=True)], col, row
    signed = drawing.legend["scale"] == "diverging"
    heads, sides = list(map(drawn, col["labels"])), [fitted(drawn(side), 16) for side in row["labels"]]
    room = max(map(cell_len, [*sides, f"{row['name']}"]), default=0) + sum(max(7, min(cell_len(head), 10)) + 1 for head in heads)
    if len(sides) > MOST_ROWS or room > width:
        return _strongest(values, row, col, drawing.legend, width)
    cells = [
        [Text(readable(value, signed=signed, like=drawing.legend["high"]), style=tone(value, drawing.legend)) for value in line] for line in values
    ]
    return grid(f"{row['name']} \\ {col['name']}", heads, sides, cells)


def _strongest(values: Sequence[Sequence[float | None]], row: dict, col: dict, legend: dict, width: int) -> RenderableType:
    cells = [(v, r, c) for r, line in enumerate(values) for c, v in enumerate(line) if v is not None]
    ranked = sorted(cells, key=lambda cell: -abs(cell[0]))[:MOST_BARS]
    labels = [f"{row['name']} {drawn(row['labels'][r])} · {col['name']} {drawn(col['labels'][c])}" for _, r, c in ranked]
    shown = signed_bars(labels, [value for value, _, _ in ranked], [""] * len(ranked), width, legend["high"])
    return Group(shown, Text(f"the strongest {len(ranked)} of {len(cells)} cells; the page has them all", style="dim"))


def lens(drawing: Drawing, width: int) -> RenderableType:
    """Positions down, layers across; as many evenly spaced layers and last positions as fit, the model's own guess marked."""
    tops, values, marks, true = drawing.data["top"], drawing.data["values"], drawing.data.get("marks"), drawing.data.get("true")
    sides = [fitted(drawn(side), 14) for side in drawing.axes["col"]["labels"]]
    many = len(tops)
    layers = _fitting(many, sides, width)
    first = max(0, len(sides) - MOST_ROWS)

    def guess(layer: int, place: int) -> Text:
        mark = "●" if marks and marks[layer][place] else " "
        style = tone(values[layer][place], drawing.legend)
        if true and true[layer][place]:
            style += Style(underline=True)
        return Text(mark + fitted(drawn(tops[layer][place]), CELL - 1), style=style)

    cells = [[guess(layer, place) for layer in layers] for place in range(first, len(sides))]
    shown = grid("position", [f" {drawing.axes['row']['labels'][layer]}" for layer in layers], sides[first:], cells, justify="left")
    rules = ["● the model's final guess"] if marks else []
    if true and any(map(any, true)):
        rules.append("underlined: what comes next in the text")
    if len(layers) < many:
        rules.append(f"{len(layers)} of {many} layers")
    if first:
        rules.append(f"the last {len(sides) - first} of {len(sides)} positions")
    return Group(shown, small_print(rules))


def lenses(parts: Sequence[tuple[str, Drawing]], width: int) -> RenderableType:
    """One table in several colours: printed once in the first of them; under it, of the last position, what each of them shows, in figures.

    Arguments:
        parts: each colour's name, and the table in it.
        width: of the console.
    """
    (chosen, first), last = parts[0], -1
    tokens, heads = first.axes["col"]["labels"], first.axes["row"]["labels"]
    sides = [fitted(visible(name), 14) for name, _ in parts]
    # as many layers as the table has, which stands right above
    layers = _fitting(len(heads), [*(fitted(drawn(token), 14) for token in tokens), *sides], width)

    def figures(drawing: Drawing) -> list[Text]:
        values = [drawing.data["values"][layer][last] for layer in layers]
        like = shared_size(values)
        return [Text(readable(value, like=like), style=tone(value, drawing.legend)) for value in values]

    table: list[RenderableType] = [lens(first, width), small_print([f"coloured by {chosen}"])]
    if not tokens:
        return Group(*table)
    shown = grid("", [visible(heads[layer]) for layer in layers], sides, [figures(drawing) for _, drawing in parts])
    units = [f"{name}: {drawing.unit}" for name, drawing in parts]
    return Group(*table, Text(), sentence(f"at the last position, `{tokens[last]}`:", "dim"), shown, small_print(units))


def one_lens(drawings: Sequence[Drawing]) -> bool:
    """Whether all of them are the same table in several colours.

    Arguments:
        drawings: of a group.
    """
    return len(drawings) > 1 and all(one.kind == "lens" and one.data["top"] == drawings[0].data["top"] for one in drawings)


def _fitting(many: int, sides: Sequence[str], width: int) -> list[int]:
    """As many evenly spaced layers as fit beside the sides."""
    fit = max(2, (width - max(map(cell_len, [*sides, "position"]))) // (CELL + 1))
    return sorted({round(i * (many - 1) / (fit - 1)) for i in range(fit)}) if many > fit else list(range(many))


def attention(drawing: Drawing, width: int) -> RenderableType:
    """Where the last tokens look in the chosen head, and where the last one looks in each of the others."""
    data = drawing.data
    tokens, patterns, chosen = [fitted(drawn(token), 14) for token in data["tokens"]], unpacked(data), data["chosen"]
    first = max(0, len(tokens) - MOST_ROWS)
    details = data.get("details", [""] * len(patterns))
    seen = [[_looks(tokens, patterns[chosen][place], drawing.legend, width - 16)] for place in range(first, len(tokens))]
    parts: list[RenderableType] = [
        sentence(f"head {data['heads'][chosen]}  {details[chosen]}".rstrip()),
        grid("token", ["looks at"], tokens[first:], seen, justify="left", room=width),
    ]
    others = [head for head in range(len(patterns)) if head != chosen]
    if others and tokens:
        last = [[_looks(tokens, patterns[head][-1], drawing.legend, width - 16)] for head in others[:MOST_ROWS]]
        names = [fitted(visible(data["heads"][head]), 14) for head in others[:MOST_ROWS]]
        parts.append(grid("head", [f"where {tokens[-1]} looks"], names, last, justify="left", room=width))
    rules = [f"the last {len(tokens) - first} of {len(tokens)} tokens"] if first else []
    if len(others) > MOST_ROWS:
        rules.append(f"{MOST_ROWS} of {len(others)} other heads")
    if data["left_out"]:
        rules.append(f"{data['left_out']} heads are left out: too many weights")
    return Group(*parts, small_print(rules))


def swap(drawing: Drawing, width: int) -> RenderableType:
    """Each set of weights: its name, what came out of it, and the text under it."""
    data = drawing.data
    first = data["alternatives"][0]["label"]
    shown: list[RenderableType] = []
    for one in data["alternatives"]:
        apart = f"  {readable(one['apart'])} from {label(first)}" if one["label"] != first else ""
        shown.append(Text.assemble((label(one["label"]), "bold"), f" → {label(one['output'])}", (apart, "dim")))
        shown.append(tokens(Drawing("tokens", "", "", {"tokens": data["tokens"], "values": one["weights"]}, legend=drawing.legend), width))
    return Group(*shown, small_print(["from: half the sum of the differences between the weights"] if len(data["alternatives"]) > 1 else []))


def _looks(tokens: list[str], weights: list[float], legend: dict, width: int) -> Text:
    """The few keys that get most of a query's attention, as many as fit."""
    line = Text()
    for place in sorted(range(len(weights)), key=lambda key: -weights[key])[:3]:
        shown = f"{tokens[place]} {readable(weights[place], like=1.0)}  "
        if weights[place] >= 0.05 and cell_len(line.plain + shown) <= width:
            line.append(shown, style=tone(weights[place], legend))
    return line if line.plain else Text("nothing above 0.05", style="dim")


def grid(corner: str, heads: list[str], sides: list[str], cells: list[list[Text]], justify: Any = "right", room: int = 10) -> Table:
    """Give rows of cells under named heads, beside named sides; a head is cut to `room` cells."""
    shown = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    shown.add_column(Text(visible(corner)), no_wrap=True)
    for head in heads:
        shown.add_column(Text(fitted(head, room)), justify=justify, no_wrap=True)
    for side, line in zip(sides, cells, strict=True):
        shown.add_row(Text(side), *line)
    return shown
