"""`sonde circuit find`: from a task to a judged circuit in one go."""

import argparse
import math
import time
from typing import TYPE_CHECKING, Any

from sonde.cli.circuit.shared import (
    ABLATIONS,
    ablation_of,
    add_options,
    graph_of,
    plain_edges,
    refuse_unsavable,
)
from sonde.cli.printing import noted, plain_verdict, print_json, refuse_unwritable, told

if TYPE_CHECKING:
    from sonde.access import Model
    from sonde.circuits import Discovery
    from sonde.results.document import Document
    from sonde.tasks import Task

LEAD = "Half of the examples were searched; what follows was measured on the others."


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "find",
        help="find the edges that compute a task's answers, and judge them",
        description="Score the edges of a model on half of a task's examples, ablate the strongest one by one, keep the fewest that do the task, and "
        "judge them on the other examples against random circuits.",
    )
    add_options(action, n=64)
    action.add_argument(
        "--method", default="eap_ig", metavar="NAME", help="eap_ig (default), eap, eap_ig_activations, clean_corrupted, exact or acdc"
    )
    action.add_argument("--steps", type=int, default=5, metavar="N", help="of methods that integrate (default: %(default)s)")
    action.add_argument("--ablation", default="counterfactual", metavar="KIND", help=f"what ablated edges carry: {ABLATIONS} (default: %(default)s)")
    size = action.add_mutually_exclusive_group()
    size.add_argument("--edges", type=int, metavar="K", help="how many edges (default: the fewest that keep --share)")
    size.add_argument("--threshold", type=float, metavar="T", help="instead: what an edge must be worth at least, in the metric's unit")
    action.add_argument("--share", type=float, default=0.9, metavar="S", help="of the gap that the circuit is to keep (default: %(default)s)")
    action.add_argument(
        "--verify", type=int, default=200, metavar="N", help="how many of the strongest edges are ablated one by one (default: %(default)s)"
    )
    action.add_argument("--random", type=int, default=10, metavar="N", help="random circuits of each size (default: %(default)s)")
    action.add_argument("--save", metavar="PLACE", help="keep the circuit: names in a file that ends in .json, or everything in a new folder")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Find, then print, keep or write what was asked for."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    refuse_unsavable(arguments.save)
    from sonde.circuits import discover
    from sonde.cli.asking import opened_task
    from sonde.loading import load

    model = load(arguments.model)
    task = opened_task(arguments, model)
    ablation = ablation_of(arguments.ablation, arguments.seed)
    found = discover(
        model, task, arguments.method, graph_of(arguments, model), ablation, arguments.edges, arguments.threshold, arguments.share, arguments.verify,
        arguments.metric, arguments.random, arguments.seed, arguments.steps, show=not arguments.json,
    )  # fmt: skip
    if arguments.save and arguments.save.endswith(".json"):
        found.circuit.to_json(arguments.save)
    elif arguments.save:
        found.save(arguments.save)
    if arguments.json:
        print_json(arguments, start, model, warnings=list(task.notes), **_plain(found))
    told(arguments, document(model, task, found))
    return 0


def document(model: "Model", task: "Task", found: "Discovery") -> "Document":
    """What was found as a page.

    Arguments:
        model: the model.
        task: its examples.
        found: the circuit.
    """
    from sonde.results.document import Document, Section, Sentence

    first = task.clean[0]
    patterns, tokens = _looks(model, first), model.tokenizer.strings(first) if model.tokenizer else None
    facts = [
        ("model", f"{model.name} ({model.hash[:8]})"),
        ("task", f"{task.name}, {len(task)} examples"),
        ("graph", found.circuit.graph.summary),
        ("ablated", "" if found.circuit.conditions is None else found.circuit.conditions.ablation.told(found.circuit.conditions.n_partners)),
        ("found", found.circuit.method),
    ]
    sections = [
        Section("gap", "Is there anything to explain?", drawings=[found.gap.drawing()]),
        Section("circuit", "The circuit", "", [found.graph_drawing(patterns, tokens if patterns else None)]),
        Section("faithfulness", "Is it enough?", LEAD, [found.curve.drawing()]),
        Section("evidence", "Is it true?", LEAD, sentences=[Sentence(verdict.claim, verdict) for verdict in found.verdicts]),
    ]
    return Document(f"Which edges of {model.name} compute {task.name}?", "", facts, [*sections, *noted(task.notes)])


def _looks(model: "Model", row: tuple[int, ...]) -> "dict[str, Any]":
    """Where every head looks in one prompt, by its site; nothing in families that do not show it."""
    from sonde.results import SiteUnavailable

    sites = [f"blocks.{i}.attn.pattern" for i in range(model.n_layers)]
    try:
        run = model.run([row], read=sites, logits=False)
    except SiteUnavailable:
        return {}
    return {f"blocks.{i}.attn.z[head={h}]": run[site][0, h].float().cpu() for i, site in enumerate(sites) for h in range(model.n_heads)}


def _plain(found: "Discovery") -> dict[str, Any]:
    """What was found as plain data."""
    gap = found.gap
    low, high = gap.interval or (None, None)
    rows = [
        {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}
        for row in found.curve.to_frame().to_dicts()
    ]
    return {
        "graph": found.circuit.graph.summary, "method": found.circuit.method, "conditions": str(found.circuit.conditions),
        "gap": {"mean": gap.gap, "low": low, "high": high, "unit": gap.unit, "holds": gap.holds}, "verified": found.verified,
        "edges": plain_edges(found.circuit), "curve": rows, "verdicts": [plain_verdict(verdict) for verdict in found.verdicts],
    }  # fmt: skip
