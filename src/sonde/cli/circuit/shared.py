"""What the actions have in common: the task, the granularity, the ablation, and circuits that were kept."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonde.cli.asking import add_task_options
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.access import Graph, Model
    from sonde.circuits import Circuit
    from sonde.tasks import Ablation, Task

FILES = "a JSON file of names (.json), or a folder that `sonde circuit find --save` made"
ABLATIONS = "counterfactual, resample, zero, mean, mean:all (over all tokens) or mean:template"


def add_options(action: argparse.ArgumentParser, n: int) -> None:
    """Register the task, the granularity and the output.

    Arguments:
        action: the parser.
        n: how many examples by default.
    """
    action.add_argument(
        "--task", "--template", metavar="NAME|FILE", required=True, help="a shipped task, a template (.yaml, .py: is run), or a file of examples"
    )
    action.add_argument("--metric", metavar="NAME", help="what is explained (default: as the task says): kl, probability_difference, ...")
    add_task_options(action, n)
    add_graph_options(action)
    add_output_options(action)


def add_graph_options(action: argparse.ArgumentParser) -> None:
    """Register what counts as a node."""
    action.add_argument("--embed", default="joint", choices=("joint", "split"), help="token and position embeddings as one node (default) or two")
    action.add_argument("--attention", default="heads", choices=("heads", "layers"), help="heads as nodes (default), or whole attention layers")
    action.add_argument("--span", dest="spans", action="append", default=[], metavar="NAME", help="nodes for this named position; again for several")
    action.add_argument("--neurons", action="append", type=int, default=[], metavar="BLOCK", help="neurons of this block as nodes; again for several")


def add_output_options(action: argparse.ArgumentParser) -> None:
    """Register where the findings go."""
    action.add_argument("--out", metavar="FILE", help="write the drawings as one HTML page")
    action.add_argument("--json", action="store_true", help="print JSON")


def graph_of(arguments: argparse.Namespace, model: "Model") -> "Graph":
    """The graph at the granularity that is meant."""
    from sonde.access import Graph

    return Graph.of(model, arguments.embed, arguments.attention, arguments.spans, arguments.neurons)


def asked_task(arguments: argparse.Namespace, model: "Model") -> "Task":
    """The examples that are meant, under the metric that is meant."""
    from sonde.circuits.asking import asking
    from sonde.cli.asking import opened_task

    return asking(model, opened_task(arguments, model), arguments.metric)


def ablation_of(text: str, seed: int) -> "Ablation":
    """A kind of ablation by its name; of a mean, what it is taken over stands behind a colon."""
    from sonde.tasks import Ablation

    kind, _, over = text.partition(":")
    chosen: dict[str, Any] = {"kind": kind, "over": over or "position", "seed": seed}
    return Ablation(**chosen)


def opened(file: str, arguments: argparse.Namespace, model: "Model") -> "Circuit":
    """A circuit that was kept: a folder says itself of which graph it is, names are read in the graph that is meant."""
    from sonde.circuits import Circuit, Discovery
    from sonde.results import Result

    if not Path(file).is_dir():
        return Circuit.from_json(file, model, graph_of(arguments, model))
    found = Result.load(file)
    circuit = found.circuit if isinstance(found, Discovery) else found
    if not isinstance(circuit, Circuit):
        raise InputError(f"{file} keeps a {type(found).__name__}, and asked is for a circuit: `sonde circuit find --save {file}` keeps one")
    circuit.refuse_other(model)
    return circuit


def refuse_unsavable(place: str | None) -> None:
    """Refuse a place where nothing can be kept: said before the work, not after it."""
    if place and (not Path(place).parent.is_dir() or (place.endswith(".json") and Path(place).is_dir())):
        raise InputError(f"the circuit can't be kept in {place}: give a file that ends in .json, or a new folder, inside a folder that exists")


def plain_edges(circuit: "Circuit") -> list[dict[str, Any]]:
    """A circuit's edges as plain data, each with its score if it has one; the strongest first."""
    return [dict(row) for row in circuit.to_frame().to_dicts()]
