"""`sonde probe mdl`: how many bits do the labels cost who has the activations?"""

import argparse
import time
from typing import Any

from sonde.cli.printing import refuse_unwritable
from sonde.cli.probe.asked import opened_data
from sonde.cli.probe.probed import add_probe_options, tell


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "mdl",
        help="how many bits do the labels cost who has the activations?",
        description="The online code of the labels at every layer (minimum description length), beside that of random labels of the same words and "
        "of the same labels in random order.",
    )
    add_probe_options(action, seeds=5, probes=("logistic", "mlp"))
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Probe, then print or write what was asked for."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.loading import load
    from sonde.probing import description_length

    model, data = load(arguments.model), opened_data(arguments)
    found = description_length(
        model, data, arguments.sites, arguments.probe, arguments.pooling, arguments.seeds, seed=arguments.seed, progress=not arguments.json
    )  # fmt: skip
    title = f"How many bits does {data.name} cost?"
    return tell(arguments, start, model, title, found, name=data.name, sites=found.sites, uniform=found.uniform, examples=len(data))
