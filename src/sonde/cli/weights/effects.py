"""`sonde weights effects`: where do the heads look in a text, and what does that do to the next token?"""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.weights.asked import add_model_options, refuse_heads


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "effects",
        help="where do the heads look in a text, and what does that do to the next token?",
        description="Attention and direct effect on the logits side by side: from each token to each that it looks at.",
    )
    action.add_argument("text", help="the text")
    action.add_argument("--target", metavar="TOKEN", help="the token after the last one (default: the model's guess)")
    action.add_argument("--head", nargs="+", default=[], metavar="L.H", help="heads to show, such as 1.3 (default: those that do most)")
    action.add_argument("--place", type=int, default=-1, metavar="N", help="the token that looks, counted from 0 (default: the last)")
    action.add_argument("--most", type=count, default=6, metavar="N", help="heads that are shown (default: %(default)s)")
    action.add_argument("--no-bos", dest="bos", action="store_false", default=None, help="no beginning-of-sequence token")
    add_model_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure, then print or write it."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.loading import load
    from sonde.results.drawing import tabs
    from sonde.results.plain import json_ready
    from sonde.weights import head_effects

    model = load(arguments.model)
    refuse_heads(model, arguments.head)
    found = head_effects(model, arguments.text, arguments.target, arguments.bos)
    heads = arguments.head or found.strongest(arguments.most, arguments.place)
    strips = tabs("What do the heads do here?", [(head, found.at_place(head, arguments.place)) for head in heads])
    frame = found.to_frame()
    return report(
        arguments, start, model, "Where do the heads look, and what does it do?", [found.grid(arguments.place), strips, found.pages(heads)],
        tokens=found.tokens, next=found.wanted, heads=heads, entries=json_ready(frame.filter(frame["head"].is_in(heads)).to_dicts()),
    )  # fmt: skip
