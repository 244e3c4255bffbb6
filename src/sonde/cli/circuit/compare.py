"""`sonde circuit compare`: what two circuits share, beside what they would by chance."""

import argparse
import time
from pathlib import Path
from typing import Any

from sonde.cli.circuit.shared import FILES, add_graph_options, add_output_options, opened
from sonde.cli.printing import print_json, refuse_unwritable, told


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "compare",
        help="what do two circuits share?",
        description="Compare two circuits of one graph: which edges and components both have, and whether that is more than by chance.",
    )
    action.add_argument("first", metavar="FILE", help=FILES)
    action.add_argument("second", metavar="FILE", help="another one")
    action.add_argument(
        "--model", default="specimen:words", metavar="M", help="a specimen, a folder, a Hub id or FILE.py:NAME (default: %(default)s)"
    )
    action.add_argument("--seed", type=int, default=0, metavar="N", help="of the circuits that chance draws (default: %(default)s)")
    add_graph_options(action)
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compare, then print or write what was asked for."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.circuits import compare
    from sonde.loading import load
    from sonde.results.document import Document, Section
    from sonde.results.plain import json_ready

    model = load(arguments.model)
    first, second = (opened(file, arguments, model) for file in (arguments.first, arguments.second))
    names = Path(arguments.first).stem, Path(arguments.second).stem
    found = compare(first, second, names if names[0] != names[1] else (arguments.first, arguments.second), arguments.seed)
    if arguments.json:
        print_json(arguments, start, model, names=list(found.names), overlaps=json_ready(found.to_frame().to_dicts()), weighted=found.weighted)
    facts = [("model", f"{model.name} ({model.hash[:8]})"), ("graph", first.graph.summary)]
    sections = [Section("overlap", "What do they share?", drawings=[found.drawing(), found.table()])]
    told(arguments, Document(f"{found.names[0]} beside {found.names[1]}", "", facts, sections))
    return 0
