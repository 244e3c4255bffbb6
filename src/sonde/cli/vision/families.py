"""`sonde vision families`: units of a layer that are one feature, turned."""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.vision.shared import add_model_options, add_output_options, stated, units_of
from sonde.cli.vision.tuning import add_stimuli_options, stimuli_of
from sonde.results import InputError

LEAST = 20  # draws of chance


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "families",
        help="units that are one feature, turned",
        description="Find the units of a layer that are the same but for a turn (or a mirror image, a size, a hue, a contrast), by their answers to "
        "drawn stimuli or by their weights. Two units are alike if they agree, at their closest, more than the closest of unrelated ones would.",
    )
    action.add_argument(
        "units", nargs="+", metavar="UNIT", help="LAYER for all of a layer, or LAYER:CHANNEL of one; a layer is a module's path or a site"
    )
    add_model_options(action)
    action.add_argument("--by", choices=("stimuli", "weights"), default="stimuli", help="what is compared (default: %(default)s)")
    add_stimuli_options(action, "curves")
    action.add_argument("--no-mirror", action="store_true", help="mirror images count as different")
    action.add_argument("--sizes", action="store_true", help="by stimuli: units may be of other sizes, too")
    action.add_argument("--hues", action="store_true", help="by weights: units may be of other hues, too")
    action.add_argument("--contrasts", action="store_true", help="units may have bright and dark exchanged, too")
    action.add_argument("--turns", type=count, metavar="N", help="by weights: how many turns (default: about one per pixel around a filter)")
    action.add_argument("--null", type=count, default=200, metavar="N", help="draws of chance, 20 or more (default: %(default)s)")
    action.add_argument("--draws", type=count, default=8, metavar="N", help="shuffled copies for --check (default: %(default)s)")
    action.add_argument("--batch", type=count, default=64, metavar="N", help="pictures at once (default: %(default)s)")
    action.add_argument("--folder", metavar="DIR", help="by stimuli: keep finished parts here; a sweep that was interrupted goes on")
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Align, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    by_weights = arguments.by == "weights"
    idle = ["--stimuli", "--size", "--across", "--step", "--sizes", "--folder"] if by_weights else ["--hues", "--turns"]
    if wrong := [one for one in idle if getattr(arguments, one[2:]) not in (None, False)]:
        raise InputError(f"{wrong[0]} belongs to --by {'stimuli' if by_weights else 'weights'}")
    if arguments.null < LEAST:
        raise InputError(f"--null {arguments.null}: the 95 % quantile of a null needs {LEAST} draws or more")
    normalise = stated(arguments)
    layer, units = units_of(arguments.units)
    from sonde.loading import load
    from sonde.results.plain import json_ready
    from sonde.vision import families, families_by_weights, tuning

    model, progress = load(arguments.model), not arguments.json
    if by_weights:
        found = families_by_weights(
            model, layer, units, mirror=not arguments.no_mirror, hue=arguments.hues, contrast=arguments.contrasts, angles=arguments.turns,
            draws=arguments.null, seed=arguments.seed, progress=progress,
        )  # fmt: skip
    else:
        stimuli = stimuli_of(arguments, model)
        both = [
            tuning(model, layer, some, units, normalise=normalise, batch_size=arguments.batch, folder=folder, progress=progress)
            for some, folder in _asked(stimuli, arguments)
        ]
        found = families(
            both[0], mirror=not arguments.no_mirror, scale=arguments.sizes, inverted=both[1] if arguments.contrasts else None, draws=arguments.null,
            seed=arguments.seed, progress=progress,
        )  # fmt: skip
    drawings = [found.drawing(), *([found.pairs()] if found.count else [])]
    verdicts = found.check(model, arguments.draws, arguments.seed, arguments.batch) if arguments.check else []
    return report(
        arguments, start, model, "Which units are one feature, turned?", drawings, verdicts, found.notes, layer=layer, by=found.by, axis=found.axis,
        families=[found.members(family) for family in range(found.count)], units=json_ready(found.to_frame().to_dicts()),
    )  # fmt: skip


def _asked(stimuli: Any, arguments: argparse.Namespace) -> list[tuple[Any, str | None]]:
    folder = arguments.folder
    if not arguments.contrasts:
        return [(stimuli, folder)]
    return [(stimuli, folder and f"{folder}/plain"), (stimuli.inverted(), folder and f"{folder}/inverted")]
