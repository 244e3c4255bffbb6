"""`sonde vision weights`: of which units of an earlier layer a unit is built, and where."""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.vision.shared import add_model_options, add_output_options, size_of, stated, units_of
from sonde.results import InputError

DRAWN = 4  # units whose partners are drawn


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "weights",
        help="which units of an earlier layer excite and inhibit a unit, and where",
        description="Read off the weights how a unit is built: those that excite it most and those that inhibit it most, each with its slice of "
        "weights. Between layers that do not touch the weights are composed, rectifiers taken as the identity; what was taken as linear is said.",
    )
    action.add_argument(
        "units", nargs="+", metavar="UNIT", help="LAYER:CHANNEL of one layer, or LAYER for all of it; a layer is a module's path or a site"
    )
    add_model_options(action)
    action.add_argument("--from", dest="source", metavar="LAYER", help="an earlier layer (default: the one that the layer reads)")
    action.add_argument(
        "--pictures",
        metavar="PATH",
        help="rank by strength times mean activation on these: a folder of files, or an array (.npy) from 0 to 1",
    )
    action.add_argument("--size", metavar="N|ROWS,COLS", help="bring files to this size: the shorter side is scaled, the middle is cut")
    action.add_argument("--top", type=count, default=5, metavar="N", help="partners on either side (default: %(default)s)")
    action.add_argument("--visualise", action="store_true", help="seek pictures that excite the drawn units and their partners most")
    action.add_argument("--steps", type=count, default=256, metavar="N", help="of ascent, for --visualise (default: %(default)s)")
    action.add_argument("--factors", type=count, metavar="N", help="write the layer's weights as N parts that add up, too")
    action.add_argument("--draws", type=count, default=8, metavar="N", help="random sets of channels for --check (default: %(default)s)")
    action.add_argument("--batch", type=count, default=16, metavar="N", help="units or pictures at once (default: %(default)s)")
    action.add_argument("--folder", metavar="DIR", help="keep finished batches here: a computation that was interrupted goes on")
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compose, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    normalise, size = stated(arguments), size_of(arguments.size)
    layer, units = units_of(arguments.units)
    if arguments.check and not arguments.pictures:
        raise InputError("--check takes partners away on pictures: give --pictures, a folder or an array (.npy)")
    if arguments.check and arguments.draws < 2:
        raise InputError("--draws 1: give 2 or more")
    from sonde.loading import load
    from sonde.results.plain import json_ready
    from sonde.vision import factorised, weights_between

    model = load(arguments.model)
    found = weights_between(
        model, layer, arguments.source, None if arguments.factors else units, pictures=arguments.pictures, normalise=normalise, size=size,
        batch_size=arguments.batch, folder=arguments.folder, progress=not arguments.json,
    )  # fmt: skip
    drawn = (units or [])[:DRAWN]
    for unit in drawn if arguments.visualise else []:
        found = found.visualised(model, unit, arguments.top, normalise, arguments.steps, arguments.seed, not arguments.json)
    drawings = [found.drawing(unit, arguments.top) for unit in drawn] or [found.strengths()]
    verdicts, parts = [], None
    if arguments.factors:
        parts = factorised(found, arguments.factors, seed=arguments.seed)
        drawings.append(parts.drawing())
    if arguments.check:
        verdicts = found.check(model, arguments.pictures, units, arguments.top, arguments.draws, arguments.seed, arguments.batch, normalise)
        verdicts += parts.check(model, arguments.draws, arguments.seed) if parts is not None else []
    told = units or found.units
    partners = {
        found.name(unit): {side: [vars(one) for one in found.incoming(unit, arguments.top, sign)] for side, sign in (("excite", 1), ("inhibit", -1))}
        for unit in told
    }
    return report(
        arguments, start, model, "Of what are they built?", drawings, verdicts, (*found.notes, *(parts.notes if parts else ())),
        layer=layer, source=found.source, ranked_by=found.ranked_by, stride=found.stride, partners=json_ready(partners),
        factors=json_ready(parts.to_frame().to_dicts()) if parts else None,
    )  # fmt: skip
