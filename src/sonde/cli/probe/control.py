"""`sonde probe control`: is it read, or remembered? Probes of growing capacity on the labels and on random labels of the same words."""

import argparse
import time
from typing import Any

from sonde.cli.printing import refuse_unwritable
from sonde.cli.probe.asked import one_site, opened_data
from sonde.cli.probe.probed import add_probe_options, tell


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "control",
        help="is it read, or remembered?",
        description="Train probes of growing capacity at one site, on the labels and on random labels of the same words: what they tell of those "
        "they remember. Give the site with --sites.",
    )
    add_probe_options(action, seeds=5, probes=())
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Probe, then print or write what was asked for."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    site = one_site(arguments)
    from sonde.loading import load
    from sonde.probing import selectivity

    model, data = load(arguments.model), opened_data(arguments)
    found = selectivity(
        model, data, site, pooling=arguments.pooling, seeds=arguments.seeds, seed=arguments.seed, progress=not arguments.json
    )  # fmt: skip
    title = f"Is {data.name} read, or remembered?"
    return tell(arguments, start, model, title, found, name=data.name, site=found.site, width=found.width, types=found.types)
