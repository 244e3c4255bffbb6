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

OPTIONS = ("threshold", "share", "verify", "sample", "sparsity", "weight", "over", "measure", "steps")  # of a method, under their own names
LEAD = "Half of the examples were searched; what follows was measured on the others."


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "find",
        help="find the edges that compute a task's answers, and judge them",
        description="Score the edges of a model on half of a task's examples, ablate the strongest one by one, and keep the fewest that do the task; "
        "or search for a set of them. Judge it on the other examples against random circuits.",
    )
    add_options(action, n=64)
    action.add_argument(
        "--method", default="eap_ig", metavar="NAME",
        help="rank edges: eap_ig (default), eap, eap_ig_activations, clean_corrupted, exact; or search for a set: acdc, backwards, edge_pruning, "
        "subnetwork_probing",
    )  # fmt: skip
    action.add_argument("--ablation", default="counterfactual", metavar="KIND", help=f"what ablated edges carry: {ABLATIONS} (default: %(default)s)")
    size = action.add_argument_group("how large the circuit is")
    size.add_argument("--edges", "-k", type=int, metavar="K", help="rankings, masks: how many edges (default: the fewest that keep --share)")
    size.add_argument("--threshold", type=float, metavar="T", help="rankings, acdc, backwards: what an edge must be worth, in the metric's unit")
    size.add_argument("--share", type=float, metavar="S", help="rankings: of the gap that the circuit is to keep (default: 0.9)")
    size.add_argument("--sparsity", type=float, metavar="S", help="edge_pruning: the share of the edges to be closed")
    size.add_argument("--weight", type=float, metavar="W", help="subnetwork_probing: the price of leaving all open, in the metric's unit")
    search = action.add_argument_group("how it is looked for")
    search.add_argument("--verify", type=int, metavar="N", help="estimates: how many of the strongest edges are ablated one by one (default: 200)")
    search.add_argument("--sample", type=int, metavar="N", help="estimates: how many of the others are, to tell what was missed (default: 100)")
    search.add_argument("--steps", type=int, metavar="N", help="of methods that integrate (default: 5), of masks (default: hundreds)")
    search.add_argument("--over", metavar="WHAT", help="masks: edges or nodes (default: as the method says)")
    search.add_argument("--measure", metavar="HOW", help="backwards: edges one by one (edges, default), or a sender's together (together)")
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
    options = {name: getattr(arguments, name) for name in OPTIONS}
    found = discover(
        model, task, arguments.method, graph_of(arguments, model), ablation, arguments.edges, metric=arguments.metric, n_random=arguments.random,
        seed=arguments.seed, show=not arguments.json, **options,
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
    estimate = found.estimate_drawing()
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
        *([] if estimate is None else [Section("estimate", "Does the estimate hold?", drawings=[estimate])]),
        *([] if found.mask is None else [Section("mask", "Has the search settled?", drawings=[found.mask.drawing()])]),
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
        "missed": None if found.missed is None else list(found.missed), "settled": None if found.mask is None else found.mask.converged,
        "unit": found.scores.unit, "edges": plain_edges(found.circuit), "curve": rows,
        "verdicts": [plain_verdict(verdict) for verdict in found.verdicts],
    }  # fmt: skip
