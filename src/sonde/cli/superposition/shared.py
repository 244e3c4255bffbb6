"""What the actions share: how toy models are trained, and how findings are printed."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from sonde.cli.asking import count

if TYPE_CHECKING:
    from sonde.superposition import ToyTraining


def add_training_options(action: argparse.ArgumentParser, seeds: int) -> None:
    """Register how toy models are trained.

    Arguments:
        action: the parser.
        seeds: models of each setting by default.
    """
    action.add_argument("--steps", type=count, default=2500, metavar="N", help="updates (default: %(default)s)")
    action.add_argument("--batch", type=count, default=512, metavar="N", help="inputs of an update (default: %(default)s)")
    action.add_argument("--seeds", type=count, default=seeds, metavar="N", help="models of each setting; the best counts (default: %(default)s)")
    action.add_argument("--folder", type=Path, metavar="FOLDER", help="keep a checkpoint here, and go on from it")
    action.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws (default: %(default)s)")
    add_output_options(action)


def add_output_options(action: argparse.ArgumentParser) -> None:
    """Register how the findings are printed."""
    action.add_argument("--out", metavar="FILE", help="write the drawings as one HTML page")
    action.add_argument("--json", action="store_true", help="print JSON")


def training(arguments: argparse.Namespace) -> "ToyTraining":
    """The training that is meant."""
    from sonde.superposition import ToyTraining

    return ToyTraining(arguments.steps, arguments.batch, seeds=arguments.seeds)
