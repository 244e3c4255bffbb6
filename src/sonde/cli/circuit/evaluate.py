"""`sonde circuit evaluate`: is a circuit that was kept enough for a task, is it needed, and is every edge of it? Under one or several ablations."""

import argparse
import time
from pathlib import Path
from typing import Any

from sonde.cli.circuit.shared import ABLATIONS, FILES, ablation_of, add_options, asked_task, opened
from sonde.cli.printing import noted, plain_verdict, print_json, refuse_unwritable, told


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "evaluate",
        help="judge a circuit on a task",
        description="Judge circuits on the examples of a task: alone, taken out, and beside random circuits as large, under each kind of ablation.",
    )
    action.add_argument("files", metavar="FILE", nargs="+", help=FILES)
    add_options(action, n=32)
    action.add_argument("--ablation", action="append", metavar="KIND", help=f"what the other edges carry: {ABLATIONS}; again for several")
    action.add_argument("--random", type=int, default=20, metavar="N", help="random circuits as large (default: %(default)s)")
    action.add_argument("--check", action="store_true", help="test the claims of the first circuit, under the first ablation")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Evaluate under each ablation, then print or write what was asked for."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.circuits import evaluate
    from sonde.loading import load
    from sonde.results.document import Document, Section, Sentence
    from sonde.results.plain import json_ready

    model = load(arguments.model)
    circuits = {Path(file).stem: opened(file, arguments, model) for file in arguments.files}
    task = asked_task(arguments, model)
    kinds = [ablation_of(kind, arguments.seed) for kind in arguments.ablation or ["counterfactual"]]
    found = {str(kind): evaluate(model, circuits, task, kind, arguments.random, arguments.seed) for kind in kinds}
    first = next(iter(circuits.values()))
    verdicts = first.check(model, task, seed=arguments.seed) if arguments.check else []
    if arguments.json:
        rows = [row for one in found.values() for row in one.to_frame().to_dicts()]
        print_json(arguments, start, model, warnings=list(task.notes), results=json_ready(rows), verdicts=[plain_verdict(v) for v in verdicts])
    sections = [Section(f"ablation-{i}", f"Ablated: {kind}", drawings=[one.drawing()]) for i, (kind, one) in enumerate(found.items())]
    if verdicts:
        sections.append(Section("evidence", "Is it true?", sentences=[Sentence(verdict.claim, verdict) for verdict in verdicts]))
    facts = [("model", f"{model.name} ({model.hash[:8]})"), ("task", f"{task.name}, {len(task)} examples"), ("graph", first.graph.summary)]
    told(arguments, Document("Is the circuit enough, and is it needed?", "", facts, [*sections, *noted(task.notes)]))
    return 0
