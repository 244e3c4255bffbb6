"""What `subspace` and `illusion` are told: the pairs, the site, and how directions are searched for; and what both say of swaps."""

import argparse
from typing import TYPE_CHECKING, Any

from sonde.cli.asking import add_task_options, count, opened_task
from sonde.results.plain import number

if TYPE_CHECKING:
    from sonde.access import Model
    from sonde.probing import Alignment, Swaps
    from sonde.tasks import Task


def add_pair_options(action: argparse.ArgumentParser) -> None:
    """Register which pairs are meant, where, and how directions are searched for."""
    action.add_argument("--task", required=True, metavar="NAME|FILE", help="a shipped task, a template (.yaml, .py: is run), or a file of examples")
    action.add_argument("--site", required=True, metavar="SITE", help="where, such as 'blocks.2.resid_post[pos=-1]'")
    add_task_options(action, 64)
    action.add_argument("--size", type=count, default=1, metavar="N", help="how many directions (default: %(default)s)")
    action.add_argument("--steps", type=count, default=200, metavar="N", help="of each search (default: %(default)s)")
    action.add_argument("--starts", type=count, default=3, metavar="N", help="searches from different directions (default: %(default)s)")
    action.add_argument("--draws", type=count, default=10, metavar="N", help="random subspaces of the same dimension (default: %(default)s)")


def opened(arguments: argparse.Namespace) -> tuple["Model", "Task"]:
    """The model and the pairs."""
    from sonde.loading import load

    model = load(arguments.model)
    return model, opened_task(arguments, model)


def searched(arguments: argparse.Namespace, model: "Model", task: "Task") -> "Alignment":
    """What a search for directions finds on some pairs."""
    from sonde.probing import SearchConfig, das

    config = SearchConfig(steps=arguments.steps, starts=arguments.starts)
    return das(model, task, arguments.site, arguments.size, config, arguments.draws, arguments.seed, progress=not arguments.json)


def swapped(swaps: "Swaps") -> list[dict[str, Any]]:
    """What becomes of the answers under each swap, as plain data."""
    return [
        {"swapped": name, "accuracy": number(share), "moved": number(way)}
        for name, share, way in zip(swaps.names, swaps.accuracy.tolist(), swaps.moved.tolist(), strict=True)
    ]
