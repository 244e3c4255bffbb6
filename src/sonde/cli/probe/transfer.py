"""`sonde probe transfer`: does a probe of one language or domain read another one?"""

import argparse
import time
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sonde.cli.printing import refuse_unwritable
from sonde.cli.probe.asked import opened_data
from sonde.cli.probe.probed import add_probe_options, tell
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.probing import Labelled


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "transfer",
        help="does a probe of one language or domain read another one?",
        description="Train a probe on one source and judge it on others, beside a probe that each of them learns for itself.",
    )
    add_probe_options(action)
    action.add_argument(
        "--to", nargs="+", required=True, metavar="FILE",
        help="the other sources: files read as the first one is; of --parallel languages, where --languages names those to learn from",
    )  # fmt: skip
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Probe, then print or write what was asked for."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    if arguments.words:
        raise InputError("the small world is one source: give files with --conllu, --labels or --parallel")
    if arguments.parallel and not arguments.languages:
        raise InputError("give the languages to learn from with --languages, and the others with --to")
    from sonde.loading import load
    from sonde.probing import transfer

    model, data = load(arguments.model), opened_data(arguments)
    others = {Path(name).name: _another(arguments, name) for name in arguments.to}
    source = " ".join(arguments.languages) if arguments.parallel else Path(arguments.conllu or arguments.labels).name
    found = transfer(
        model, data, others, source, arguments.sites, arguments.probe, arguments.pooling, seed=arguments.seed, progress=not arguments.json
    )  # fmt: skip
    title = f"Does a probe of {source} read elsewhere, too?"
    return tell(arguments, start, model, title, found, name=data.name, source=source, sites=found.sites, targets=found.targets)


def _another(arguments: argparse.Namespace, name: str) -> "Labelled":
    """Examples of another source, read as the first one."""
    asked = copy(arguments)
    if arguments.parallel:
        asked.languages = [name]
    else:
        setattr(asked, "conllu" if arguments.conllu else "labels", name)
    return opened_data(asked)
