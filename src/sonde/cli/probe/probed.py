"""What the actions that train probes share: which kind of probe, how many draws of the controls, and how the findings are told."""

import argparse
from typing import TYPE_CHECKING, Any

from sonde.cli.asking import count
from sonde.cli.printing import report
from sonde.cli.probe.asked import add_data_options, add_output_options, add_reading_options

if TYPE_CHECKING:
    from sonde.access import Model
    from sonde.results import Result

PROBES = ("logistic", "ridge", "mlp")


def add_probe_options(action: argparse.ArgumentParser, seeds: int = 0, probes: tuple[str, ...] = PROBES) -> None:
    """Register the examples, the model, the probe and the output.

    Arguments:
        action: the parser.
        seeds: draws of each random control by default; 0 where there are none.
        probes: the kinds to choose from; none where the action decides.
    """
    add_data_options(action)
    add_reading_options(action)
    if probes:
        action.add_argument("--probe", choices=probes, default="logistic", help="the kind of probe (default: %(default)s)")
    if seeds:
        action.add_argument("--seeds", type=count, default=seeds, metavar="N", help="draws of each random control (default: %(default)s)")
    action.add_argument("--check", action="store_true", help="judge the findings against their controls")
    add_output_options(action)


def tell(arguments: argparse.Namespace, start: float, model: "Model", title: str, found: "Result", **content: Any) -> int:
    """Print or write what was found, with its verdicts where they were asked for."""
    from sonde.results.plain import json_ready

    verdicts = found.check(model) if arguments.check else []
    notes: list[str] = found.notes  # type: ignore[attr-defined]
    rows = json_ready(found.to_frame().to_dicts())
    return report(arguments, start, model, title, [found.drawing()], verdicts, notes, rows=rows, **content)
