"""`sonde models`: which models are known, which sites each offers, and what is refused and why."""

import argparse
import time
from typing import Any

from sonde.cli.printing import print_json
from sonde.results import InputError

OTHERS = (
    "Every other language model of transformers (mixtures of experts, state-space models, families not yet known) is served by module paths; "
    "the residual stream between its blocks has names where a stack is found. Every other module is served by module paths."
)


def add(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "models",
        help="list the known families of models and their sites",
        description="List the families of models that sonde knows: how their residual stream is updated, which sites they offer, and what is refused "
        "and why. No weights are read. A name shows one family or one type of model in full.",
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help="a family or a model type, such as gemma or gemma2")
    parser.add_argument("--json", action="store_true", help="print the list as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Describe the families that were asked for."""
    start = time.perf_counter()
    from sonde.catalogue import catalogue

    entries = [entry for entry in catalogue() if arguments.name in (None, entry.family, entry.model_type)]
    if not entries:
        from sonde.access.sites import nearest

        known = sorted({name for entry in catalogue() for name in (entry.family, entry.model_type)})
        raise InputError(f"{arguments.name!r} is no family and no model type that sonde knows; nearest: {nearest(arguments.name, known)}; {OTHERS}")
    if arguments.json:
        print_json(arguments, start, models=[_plain(entry) for entry in entries], others=OTHERS)
    else:
        _show(entries, whole=arguments.name is not None)
    return 0


def _plain(entry: Any) -> dict[str, Any]:
    """A model type as plain data that follows the published schema, `sonde/cli/schemas/models.json`."""
    return {
        "model_type": entry.model_type, "family": entry.family, "description": entry.description, "law": entry.law,
        "causal": entry.architecture.causal,
        "sites": [{"name": name, "axes": list(axes), "meaning": meaning} for name, (axes, meaning) in entry.sites.items()],
        "refused": [{"name": name, "reason": reason} for name, reason in entry.refused.items()],
    }  # fmt: skip


def _show(entries: list[Any], whole: bool) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not whole:
        table = Table("family", "model types", "law", "sites", box=None, pad_edge=False)
        for family in dict.fromkeys(entry.family for entry in entries):
            kin = [entry for entry in entries if entry.family == family]
            laws, counts = (", ".join(dict.fromkeys(values)) for values in ((e.law for e in kin), (str(len(e.sites)) for e in kin)))
            table.add_row(family, ", ".join(entry.model_type for entry in kin), laws, counts)
        console.print(table)
        settings = "Laws and numbers of sites are those of the settings that each type comes with."
        console.print(Text(f"\n{settings} {OTHERS}\n`sonde models NAME` shows the sites of one, and what is refused and why."))
        return
    for entry in entries:
        console.print(Text(f"{entry.model_type} (law: {entry.law})\n{entry.description}\n", style="bold"))
        sites = Table("site", "axes", "meaning", box=None, pad_edge=False)
        for name, (axes, meaning) in entry.sites.items():
            sites.add_row(name, " ".join(axes), meaning)
        console.print(sites)
        refused = Table("refused", "why", box=None, pad_edge=False)
        for name, reason in entry.refused.items():
            refused.add_row(name, Text(reason))
        console.print("", refused, "")
