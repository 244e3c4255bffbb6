"""`sonde probe sweep`: from which layer on can it be read, beside everything that could explain that?"""

import argparse
import time
from pathlib import Path
from typing import Any

from sonde.cli.printing import refuse_unwritable
from sonde.cli.probe.asked import opened_data
from sonde.cli.probe.probed import add_probe_options, tell

CONTROLS = ("shuffled labels", "control task", "untrained model", "permuted weights")


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "sweep",
        help="from which layer on can it be read?",
        description="Train a probe at every layer and judge it on examples held out, beside the commonest class, the place, the word itself, "
        "shuffled labels, random labels of the same words, and the same probe of an untrained model.",
    )
    add_probe_options(action, seeds=5)
    action.add_argument("--controls", nargs="*", choices=CONTROLS, default=list(CONTROLS[:3]), help="random controls (default: the first three)")
    action.add_argument("--folder", type=Path, metavar="FOLDER", help="keep every finished probe here, and go on from there")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Probe, then print or write what was asked for."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.loading import load
    from sonde.probing import sweep

    model, data = load(arguments.model), opened_data(arguments)
    found = sweep(
        model, data, arguments.sites, arguments.probe, arguments.pooling, arguments.seeds, arguments.controls, seed=arguments.seed,
        progress=not arguments.json, folder=arguments.folder,
    )  # fmt: skip
    title = f"Where can {data.name} be read?"
    return tell(arguments, start, model, title, found, name=data.name, sites=found.sites, best=found.best, trained_on=found.trained_on)
