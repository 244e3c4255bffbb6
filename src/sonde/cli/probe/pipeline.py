"""`sonde probe pipeline`: at which layer does each of several properties arise?"""

import argparse
import time
from typing import Any

from sonde.cli.printing import refuse_unwritable
from sonde.cli.probe.asked import opened_data, relabelled
from sonde.cli.probe.probed import add_probe_options, tell


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "pipeline",
        help="at which layer does it arise?",
        description="Mix the layers up to each one, and see where the score is gained (expected layer) and where a probe of all layers looks (centre "
        "of gravity).",
    )
    add_probe_options(action, probes=())
    action.add_argument(
        "--also", nargs="+", default=[], metavar="NAME",
        help="more of the same source: properties of the small world, fields of a treebank or of parallel sentences, columns of labels",
    )  # fmt: skip
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Probe, then print or write what was asked for."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.loading import load
    from sonde.probing import pipeline
    from sonde.results.plain import json_ready

    model, data = load(arguments.model), [opened_data(arguments), *(relabelled(arguments, name) for name in arguments.also)]
    found = pipeline(model, data, arguments.sites, arguments.pooling, seed=arguments.seed, progress=not arguments.json)
    layers = {
        name: {"expected": expected, "gravity": gravity}
        for name, expected, gravity in zip(found.names, found.expected_layer.tolist(), found.centre_of_gravity.tolist(), strict=True)
    }
    return tell(arguments, start, model, "Where does it arise?", found, sites=found.sites, layers=json_ready(layers))
