"""Every kind of drawing with data that drawings break on."""

from functools import cache

from sonde.results import Verdict
from sonde.results.document import Document, Section, Sentence
from sonde.results.drawing import (
    Control,
    Curve,
    Drawing,
    Edge,
    Node,
    Points,
    Series,
    attention,
    bars,
    beside,
    circuit_graph,
    circuit_pair,
    head_grid,
    lens,
    lines,
    matrix,
    overlay,
    overlays,
    picture_grid,
    rose,
    scatter,
    swap,
    table,
    tabs,
    tokens,
    verdicts,
    violins,
    waterfall,
)

HOSTILE = [
    "</script><img src=x onerror='window.pwned=1'>",
    "<!--<script>",
    "\"'><svg onload=window.pwned=1>",
    "javascript:window.pwned=1",
    "\u2028\u2029\u202e\x00\x1b[31m",
    "{{constructor.constructor('window.pwned=1')()}}",
    "&lt;b&gt;",
    "\ud800",
]
RIGHT_TO_LEFT = ["المفاتيح", " على", " الخزانة", " هي", " שלום", " עולם", ",", " 42"]


def every_kind(labels: list[str], values: list[float | None], title: str = "What is drawn?", unit: str = "logits") -> list[Drawing]:
    """All kinds from one list of labels and one of values."""
    grid = [values, values[::-1]]
    known = [value for value in values if value is not None]
    around = [None if value is None else (value - 1, value + 1) for value in values]
    control = Control(title, known[0] if known else 0.0, (min(known, default=0.0), max(known, default=0.0)))
    texts = [labels, labels[::-1]]
    sizes = [[None if value is None else abs(value) for value in row] for row in grid]
    strip = tokens(title, unit, labels, values, details=labels, roles={label: [place] for place, label in enumerate(labels[:2])}, note=title)
    # every query looks at itself and at the first token; a second head looks everywhere alike, also ahead
    own = [[float(key == query) if query == 0 else (key in (0, query)) / 2 for key in range(len(labels))] for query in range(len(labels))]
    patterns = [own, [[1 / len(labels)] * len(labels)] * len(labels)]
    picture = [[[((r * 5 + c * 3) % 11) / 10 for c in range(12)] for r in range(8)]] * 3
    how = {"row_name": title, "rows": labels[:1] * 2, "col_name": title, "cols": labels[:2]}
    weights = [abs(value) if value is not None and value == value else 0.0 for value in values]
    return [
        strip,
        tokens(title, unit, labels, None, roles={title: range(len(labels))}),
        attention(title, labels, patterns, [f"0.{title}", labels[0]], details=[title, labels[0]], note=title),
        head_grid(title, unit, grid, details=texts, patterns=[[patterns[0], *[None] * (len(labels) - 1)]] * 2, tokens=labels),
        waterfall(
            title, unit, labels, [value if value == value and value else 0.0 for value in values], intervals=around, total=1.0, control=control
        ),
        tabs(title, [(title, strip), (labels[0] + "2", table(title, [title, unit], [[labels[0], 0.5]]))], note=title),
        beside(title, [(title, strip), (labels[0] + "2", strip)], note=title),
        overlay(title, unit, picture, grid, control=control, note=title),
        overlays(title, unit, picture, [[grid, None][: len(labels)]] * 2, **how, details=[labels[:2]] * 2, colours="own", note=title),
        picture_grid(
            title, unit, [[picture, None][: len(labels)]] * 2, **how, values=[[1.5, None][: len(labels)]] * 2, details=[labels[:2]] * 2, note=title
        ),
        matrix(title, unit, grid, row_name=title, rows=labels[:1] * 2, col_name=title, cols=labels, details=texts),
        lens(
            title,
            unit,
            tokens=labels,
            layers=["0", "model"],
            top=texts,
            values=sizes,
            marks=[[True] * len(labels)] * 2,
            details=[[[(label, 0.5)] for label in row] for row in texts],
        ),
        bars(title, unit, labels, values, intervals=around, control=control, bar_control=Series(title, values)),
        lines(title, unit, title, labels, [Series(labels[0], values, values, values), Series(title, values[::-1])], control=control),
        lines(title, unit, title, labels, [Series(title, values)], control=Series(labels[0], values[::-1], values, values)),
        rose(
            title,
            unit,
            title,
            [360 * i / len(labels) for i in range(len(labels))],
            [Series(labels[0], values, values, values), Series(title, values[::-1])],
        ),
        rose(
            title,
            unit,
            title,
            [360 * i / len(labels) for i in range(len(labels))],
            [Series(title, values)] * 2,
            period=360.0,
            together=True,
            note=title,
        ),
        scatter(
            title,
            title,
            unit,
            [Points(labels[0], values, values[::-1], values, values, labels=labels, joined=True), Points(title, values, values)],
            diagonal=title,
            control=control,
        ),
        violins(title, unit, ["all", title, "same", "none"], [values, values[:2], values[:1] * 3, []], control=control, note=title),
        swap(title, labels, [(title, weights, labels[0]), (labels[0] + "2", [0.1] * len(labels), 0.5)]),
        *circuits(labels, values, title, unit),
        verdicts(title, [Verdict(labels[0], title, 1.0, 0.5, (0.1, 0.9), 8, "greater", 0.3, title)], command=labels[0]),
        table(title, [title, unit], list(zip(labels, values, strict=True))),
        table(title, [title, unit], list(zip(labels, values, strict=True)), intervals=[(None, pair) for pair in around], best="lowest"),
    ]


def circuits(labels: list[str], values: list[float | None], title: str, unit: str) -> list[Drawing]:
    """Nodes in rows of eight, each feeding the one above it; two inputs are shared."""
    count = len(labels)
    names = [f"{place}{label}" for place, label in enumerate(labels * 2)]
    nodes = [
        Node(name, (labels * 2)[place], place // 8, place % 8, (values * 2)[place], role=title if place % 3 else "", detail=title)
        for place, name in enumerate(names)
    ]
    above = [place + 8 for place in range(2 * count - 8)]
    edges = [Edge(names[place - 8], names[place], (values * 2)[place], ("", "q", title)[place % 3]) for place in above]
    if len(above) > 4:
        edges.append(Edge(names[0], names[8:12], 0.5, "k"))
    rows = [(labels * 2)[row] for row in range((2 * count + 7) // 8)]
    known = [value if value is None or abs(value) < 1e200 else None for value in values]  # a straight line between the largest floats overflows
    curve = Curve(title, range(1, count + 1), known, known, known, control=Series(labels[0], known[::-1]))
    return [
        circuit_graph(title, unit, nodes, edges, rows=rows, order="given", curve=curve, note=title),
        circuit_pair(title, unit, nodes, (title, edges[::2]), (labels[0] + "2", edges[1:]), rows=rows, note=title),
    ]


@cache
def extreme_documents() -> dict[str, Document]:
    numbers = [round((-1) ** i * i * 0.37, 3) for i in range(8)]
    words = ["The", " keys", " on", " the", " cabinet", "\n", "", "   "]
    cases = {
        "one": every_kind(["x"], [0.5]),
        "many": every_kind([f" token{i}" if i % 40 else "\n" for i in range(512)], [((i * 37) % 101 - 50) / 7 for i in range(512)]),
        "zero": every_kind(words, [0.0] * 8),
        "missing": every_kind(words, [None, float("nan"), *numbers[2:]]) + every_kind(words, [None] * 8),
        "huge": every_kind(words, [1e300, -1e300, 1e-300, 12345678.9, 1.0, -1e5, 0.0, 3e7]),
        "right to left": every_kind(RIGHT_TO_LEFT, numbers, title="أين تقع المفاتيح؟"),
        "hostile": every_kind(HOSTILE, numbers, title=HOSTILE[0], unit=HOSTILE[2]),
        "long words": every_kind(["x" * 300, *words[1:]], numbers, title="y" * 200),
        "clipped": [
            tokens("Clipped", "logits", words, numbers, limit=1.0),
            matrix("Clipped", "logits", [numbers], row_name="r", rows=[0], col_name="c", cols=words, limit=1.0),
        ],
        "empty": [tokens("Empty", "logits", [], []), table("Empty", ["a"], []), verdicts("Empty", [])],
    }
    return {name: _document(drawings) for name, drawings in cases.items()}


def _document(drawings: list[Drawing]) -> Document:
    title = drawings[0].title
    verdict = Verdict(title, title, None, None, None, 0, "less", 0.1, title, reason=title)
    return Document(title, title, [(title, title)], [Section(title, title, title, drawings, [Sentence(title, verdict)])], command=title)
