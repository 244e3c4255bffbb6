"""`sonde vision weights`: of which units of an earlier layer a unit is built, and where."""

import argparse
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from sonde.cli.asking import count
from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.vision.shared import add_model_options, add_output_options, size_of, stated, units_of
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.access import Model
    from sonde.vision import Partner, UnitWeights

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
    action.add_argument("--to", metavar="LAYER", help="which units of this later layer they excite and inhibit, instead of by which they are")
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
    if arguments.to and arguments.source:
        raise InputError("--from asks what builds the units and --to what they build: give one of both")
    if arguments.to and (arguments.check or arguments.visualise or arguments.factors):
        raise InputError("--to tells which units are built: ask for --check, --visualise and --factors of the later layer itself, with --from")
    if arguments.check and not arguments.pictures:
        raise InputError("--check takes partners away on pictures: give --pictures, a folder or an array (.npy)")
    if arguments.check and arguments.draws < 2:
        raise InputError("--draws 1: give 2 or more")
    from sonde.evidence import corrected
    from sonde.loading import load
    from sonde.results.plain import json_ready
    from sonde.vision import factorised, weights_between
    from sonde.vision.weight_checks import checked

    model = load(arguments.model)
    target, source = (arguments.to, layer) if arguments.to else (layer, arguments.source)
    found = weights_between(
        model, target, source, None if arguments.factors or arguments.to else units, pictures=arguments.pictures, normalise=normalise, size=size,
        batch_size=arguments.batch, folder=arguments.folder, progress=not arguments.json,
    )  # fmt: skip
    if arguments.to:
        return _fed(arguments, start, model, found, units)
    drawn = (units or [])[:DRAWN]
    for unit in drawn if arguments.visualise else []:
        found = found.visualised(model, unit, arguments.top, normalise, arguments.steps, arguments.seed, not arguments.json)
    drawings = [part for unit in drawn for part in (found.drawing(unit, arguments.top), found.table(unit, arguments.top))] or [found.strengths()]
    verdicts, parts = [], None
    if arguments.factors:
        parts = factorised(found, arguments.factors, seed=arguments.seed)
        drawings.append(parts.drawing())
    if arguments.check:
        claims = checked(
            found, model, arguments.pictures, units, arguments.top, arguments.draws, arguments.seed, arguments.batch, normalise
        )  # fmt: skip
        claims += parts.check(model, arguments.draws, arguments.seed) if parts is not None else []
        verdicts = corrected(claims)  # of the command, not of each result
    told = units or found.units
    partners = {found.name(unit): _both(partial(found.incoming, unit, arguments.top)) for unit in told}
    return report(
        arguments, start, model, "Of what are they built?", drawings, verdicts, (*found.notes, *(parts.notes if parts else ())),
        layer=layer, source=found.source, ranked_by=found.ranked_by, stride=found.stride, partners=json_ready(partners),
        factors=json_ready(parts.to_frame().to_dicts()) if parts else None,
    )  # fmt: skip


def _fed(arguments: argparse.Namespace, start: float, model: "Model", found: "UnitWeights", channels: list[int] | None) -> int:
    """Tell which units of a later layer are built of some."""
    from sonde.results.plain import json_ready

    top, told = arguments.top, range(len(found.labels)) if channels is None else channels
    sides = {i: _both(partial(found.outgoing, i, top)) for i in told}
    partners = {found.labels[i]: both for i, both in sides.items()}
    drawings = [part for i in (channels or [])[:DRAWN] for part in (found.fed(i, top), found.fed_table(i, top))] or [found.strengths()]
    return report(
        arguments, start, model, "What do they build?", drawings, [], found.notes, layer=found.layer, source=found.source,
        ranked_by=found.ranked_by, stride=found.stride, partners=json_ready(partners), factors=None,
    )  # fmt: skip


def _both(partners: "Callable[[int], list[Partner]]") -> dict[str, list[dict[str, Any]]]:
    """Those on either side, as plain data."""
    return {side: [vars(one) for one in partners(sign)] for side, sign in (("excite", 1), ("inhibit", -1))}
