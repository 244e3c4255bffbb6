"""`sonde probe table`: of several properties, where are they encoded, and which does the model use?"""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.probe.asked import add_data_options, add_output_options, add_reading_options, opened_data, relabelled
from sonde.cli.probe.behaving import add_behaviour_options, behaviour
from sonde.cli.probe.remove import add_eraser_options


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "table",
        help="which properties are encoded where, and which are used?",
        description="Probe several properties at every site beside their controls, and take each out at each site beside random directions. Of each "
        "it is said whether it is encoded and used, encoded only, or neither.",
    )
    add_data_options(action)
    add_reading_options(action)
    add_eraser_options(action, draws=20)
    action.add_argument("--seeds", type=count, default=3, metavar="N", help="untrained models beside the probes (default: %(default)s)")
    add_behaviour_options(action)
    action.add_argument("--check", action="store_true", help="list every claim with its evidence: four of each property at each site")
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Probe and take out, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.loading import load
    from sonde.probing import property_table
    from sonde.results.plain import json_ready

    properties = [opened_data(arguments), *(relabelled(arguments, name) for name in arguments.also)]
    model = load(arguments.model)
    found = property_table(
        model, {data.name: data for data in properties}, behaviour(arguments, model), arguments.sites, kind=arguments.eraser, draws=arguments.draws,
        seeds=arguments.seeds, pooling=arguments.pooling, seed=arguments.seed, progress=not arguments.json,
    )  # fmt: skip
    said = [{"property": name, "says": says, "used_at": found.used_at(name)} for name, says in zip(found.names, found.conclusions, strict=True)]
    return report(
        arguments, start, model, "Which properties are encoded, and which are used?", [found.drawing(), found.losses(), found.summary()],
        found.check(model) if arguments.check else [], found.notes, sites=found.sites, eraser=found.removal.kind,
        measures=found.removal.measures, properties=said, entries=json_ready(found.to_frame().to_dicts()),
    )  # fmt: skip
