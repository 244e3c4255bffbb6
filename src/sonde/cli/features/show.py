"""`sonde features show`: the list of features, filtered and sorted, or everything about one."""

import argparse
import time
from typing import TYPE_CHECKING, Any

from sonde.cli.asking import count
from sonde.cli.features.shared import add_database_options, opened
from sonde.cli.printing import console, print_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from sonde.features.records import Example, Record

BARS = " ▁▂▃▄▅▆▇█"
EXAMPLES = 5


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "show",
        help="list features, or show one",
        description="Without a number: the list of features, filtered and sorted. With one: its activations, logits, examples and neighbours.",
    )
    add_database_options(action)
    action.add_argument("latent", nargs="?", type=int, metavar="LATENT", help="the number of a feature")
    action.add_argument(
        "--where", action="append", default=[], metavar="FILTER", help="keep features for which this holds, as in 'density < 0.01'; again for several"
    )
    action.add_argument("--sort", default="latent", metavar="NAME", help="a statistic, label or latent (default)")
    action.add_argument("--descending", action="store_true", help="the largest first")
    action.add_argument("--limit", type=count, default=20, metavar="N", help="rows of the list (default: %(default)s)")
    action.add_argument("--offset", type=int, default=0, metavar="N", help="rows to pass over (default: %(default)s)")
    action.add_argument(
        "--property", dest="stated", metavar="P", help="how much likelier tokens with this property are: a regular expression, or script:Arabic"
    )
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show the list, or one feature."""
    start = time.perf_counter()
    found = opened(arguments)
    if arguments.latent is None:
        table = found.table(arguments.where, "", arguments.sort, arguments.descending, arguments.offset, arguments.limit)
        n = found.count(arguments.where)
        if arguments.json:
            print_json(arguments, start, about=found.about(), count=n, features=table.to_dicts())
            return 0
        show_table(console(), table.to_dicts())
        console().print(f"{len(table):,} of {n:,}", style="dim")
        return 0
    record = found.record(arguments.latent)
    if arguments.stated:
        record["properties"] = [found.likelihood_ratio(arguments.latent, arguments.stated)]
    if arguments.json:
        print_json(arguments, start, about=found.about(), record=record)
        return 0
    show_record(console(), record)
    return 0


def show_table(out: "Console", rows: list[dict[str, Any]]) -> None:
    """Print rows of the list.

    Arguments:
        out: where.
        rows: of `Features.table`.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table("feature", "what it stands for", box=None, pad_edge=False)
    for name in ("density", "mean, active", "maximum", "score"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        numbers = [_number(row[name]) for name in ("density", "mean_active", "maximum", "score")]
        table.add_row(str(row["latent"]), Text(row["label"]), *numbers)
    out.print(table)


def show_record(out: "Console", record: "Record") -> None:
    """Print what is known about one feature.

    Arguments:
        out: where.
        record: of `Features.record`.
    """
    from rich.text import Text

    statistics, histogram = record["statistics"], record["histogram"]
    out.print(Text(f"feature {record['latent']}: {record['label'] or 'silent'}", style="bold"))
    for one in record["descriptions"]:
        scores = ", ".join(f"{name} {_number(value)}" for name, value in one["scores"].items())
        out.print(Text(f"{one['author']}: {one['text']}" + (f" ({scores})" if scores else "")))
    out.print(f"active on {_number(statistics['density'])} of the tokens ({int(statistics['firings'] or 0):,})")
    most = max(histogram["counts"]) or 1
    bars = "".join(BARS[-(-8 * n // most)] for n in histogram["counts"])
    out.print(f"activation {_number(histogram['low'])} {bars} {_number(histogram['high'])}")
    for name, weights in (("promotes", "top"), ("suppresses", "bottom")):
        if record["logits"]:
            words = "  ".join(f"{w['token']!r} {w['value']:+.2g}" for w in record["logits"][weights])  # type: ignore[literal-required]
            out.print(Text(f"{name}: {words}"))
    for stated in record["properties"]:
        ratios = "  ".join(f"{_number(r['ratio'])} (n={r['n']})" for r in stated["ratios"] if r["n"])
        out.print(Text(f"{stated['name']}: likelier by, from the highest interval on: {ratios}"))
    out.print("\nstrongest", style="bold")
    for example in record["strongest"][:EXAMPLES]:
        out.print(_marked(example, statistics["maximum"] or 1.0))
    for interval in record["intervals"]:
        if interval["share"]:
            out.print(f"\n{_number(interval['low'])} to {_number(interval['high'])}: {interval['share']:.0%} of its firings", style="bold")
            for example in interval["examples"][:1]:
                out.print(_marked(example, statistics["maximum"] or 1.0))
    near = "; ".join(f"{n['latent']} ({_number(n['cosine'])}) {n['label']}" for n in record["nearest"][:EXAMPLES])
    out.print(Text(f"\nnearest: {near}"))


def _marked(example: "Example", maximum: float) -> "Text":
    """A context with its tokens shaded by activation, and the token that it was chosen for in bold."""
    from rich.text import Text

    text = Text("  ")
    for place, (token, value) in enumerate(zip(example["tokens"], example["values"], strict=True)):
        shade = "on dark_orange" if value > maximum / 2 else "underline" if value else ""
        bold = "bold" if place == example["position"] - example["start"] else ""
        text.append(token.replace("\n", "⏎"), style=f"{bold} {shade}".strip())
    return text


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
