"""`sonde probe structure`: is the tree of a sentence in the distances between the states of its words?"""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.probe.asked import add_output_options, add_reading_options
from sonde.results.plain import number


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "structure",
        help="is the tree of a sentence in the states of its words?",
        description="Fit a structural probe at every site, and hold the trees that it tells against a treebank's: beside the left-to-right chain, "
        "random trees, the embedding, and the same probe on an untrained model.",
    )
    action.add_argument("--conllu", required=True, metavar="FILE", help="a treebank in CoNLL-U, plain or .gz")
    action.add_argument("-n", type=count, metavar="N", help="sentences, drawn at random (default: all)")
    add_reading_options(action)
    action.set_defaults(pooling="mean")
    action.add_argument("--rank", type=count, default=128, metavar="N", help="dimensions of the probe's space (default: %(default)s)")
    action.add_argument("--epochs", type=count, default=40, metavar="N", help="of the fit at most (default: %(default)s)")
    action.add_argument("--untrained", action=argparse.BooleanOptionalAction, default=True, help="the same probe on an untrained model")
    action.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws (default: %(default)s)")
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Fit, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.loading import load
    from sonde.probing import StructuralConfig, structural_probe

    model = load(arguments.model)
    found = structural_probe(
        model, arguments.conllu, arguments.sites, StructuralConfig(rank=arguments.rank, epochs=arguments.epochs), arguments.pooling, arguments.n,
        arguments.untrained, seed=arguments.seed, progress=not arguments.json,
    )  # fmt: skip
    columns = ("site", "uuas", "distance spearman", "depth spearman", "root accuracy", "untrained uuas")
    rows = [dict(zip((name.replace(" ", "_") for name in columns), (row[0], *map(number, row[1:])), strict=True)) for row in found.to_frame().rows()]
    controls = {name: found.control(name) for name in found.controls}
    drawings = [found.drawing(), found.tree(), found.distances()]
    return report(
        arguments, start, model, "Is the tree there?", drawings, found.check(model), found.notes, sites=rows, best=found.best, rank=found.rank,
        sentences=len(found.arcs), arcs=int(found.arcs.sum()), controls=controls,
    )  # fmt: skip
