"""`sonde patch edge`: what does one part tell another, straight through the residual stream?"""

import argparse
import time
from typing import Any

from sonde.cli.patch.shared import ABLATIONS, ablation, add_options, entries, opened
from sonde.cli.printing import report
from sonde.results import InputError

ARROW = " -> "


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "edge",
        help="what one part tells another directly",
        description="Ablate edges of the computation: a receiver reads something else in the place of what one sender added.",
    )
    action.add_argument(
        "--edge", action="append", metavar="EDGE",
        help="such as 'blocks.3.mlp.out -> logits'; 'A -> B + C -> D' are ablated together; again for several (default: every edge alone)",
    )  # fmt: skip
    action.add_argument("--embed", default="joint", choices=("joint", "split"), help="embeddings as one sender or as two (default: %(default)s)")
    action.add_argument("--ablation", default="counterfactual", metavar="KIND", help=f"what ablated edges carry: {ABLATIONS} (default: %(default)s)")
    add_options(action, n=8)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ablate the edges, then print or write what was asked for."""
    start = time.perf_counter()
    kind = ablation(arguments.ablation)
    chosen = None if arguments.edge is None else [_edges(text) for text in arguments.edge]
    model, task = opened(arguments)
    from sonde.access.edges import Graph
    from sonde.patching import edge_patching

    found = edge_patching(model, task, chosen, kind, Graph.of(model, embed=arguments.embed), progress=not arguments.json)
    plain = entries(found.patches)
    return report(arguments, start, model, "Which edges carry the answer?", [found.drawing()], (), task.notes, **plain, granularity=found.granularity)


def _edges(text: str) -> list[tuple[str, str]]:
    """The edges that are ablated together."""
    edges = []
    for part in text.split(" + "):
        sender, arrow, receiver = part.partition(ARROW)
        if not (arrow and sender.strip() and receiver.strip()):
            raise InputError(f"--edge {text!r}: write SENDER -> RECEIVER, such as 'blocks.3.mlp.out -> logits'")
        edges.append((sender.strip(), receiver.strip()))
    return edges
