"""`sonde circuit draw`: a circuit that was kept, as a graph to look at."""

import argparse
import time
from typing import Any

from sonde.cli.circuit.shared import FILES, add_graph_options, add_output_options, opened, plain_edges
from sonde.cli.printing import print_json, refuse_unwritable, told


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "draw", help="draw a circuit that was kept", description="Draw a circuit as a layered graph, with the list of its edges."
    )
    action.add_argument("file", metavar="FILE", help=FILES)
    action.add_argument(
        "--model", default="specimen:words", metavar="M", help="a specimen, a folder, a Hub id or FILE.py:NAME (default: %(default)s)"
    )
    add_graph_options(action)
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read and draw."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.loading import load
    from sonde.results.document import Document, Section

    model = load(arguments.model)
    circuit = opened(arguments.file, arguments, model)
    if arguments.json:
        print_json(arguments, start, model, graph=circuit.graph.summary, method=circuit.method, edges=plain_edges(circuit))
    facts = [("model", f"{model.name} ({model.hash[:8]})"), ("graph", circuit.graph.summary), ("found", circuit.method)]
    told(arguments, Document("Which edges are the circuit?", "", facts, [Section("circuit", "The circuit", drawings=[circuit.drawing()])]))
    return 0
