"""`sonde vision match`: which unit of another network is this one?"""

import argparse
import time
from typing import TYPE_CHECKING, Any

from sonde.cli.asking import count
from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.vision.pairs import add_pair_options, both_opened, both_shown, checking
from sonde.cli.vision.shared import units_of
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.access import Model
    from sonde.results import Drawing
    from sonde.vision import Recurrence, Tuning, UnitMatches

KINDS = ("orientation", "colour")
SIDE = 32  # of stimuli, for networks that take any size
STEP = 15  # degrees


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "match",
        help="which units of another network answer alike",
        description="Show the same pictures to two networks and find for each unit of a layer the unit of the other that answers most alike, by best "
        "match and one to one, beside the same with the pictures in random order, for the largest of many correlations is large by chance.",
    )
    action.add_argument("unit", metavar="LAYER[:CHANNEL]", help="whose units seek partners; a layer is a module's path or a site")
    action.add_argument("layer", metavar="OTHER_LAYER", help="where they are sought, in the other network")
    action.add_argument("pictures", metavar="PATH", help="a folder of picture files, or an array (.npy) with numbers from 0 to 1")
    add_pair_options(action, 20_000)
    action.add_argument("--kinds", nargs="+", choices=KINDS, help="tell which kinds recur: units that drawn gratings or colours prove tuned")
    action.add_argument("--show", type=count, metavar="N", help="seek what the N best matched units and their partners look for, and draw them")
    action.add_argument("--steps", type=count, default=256, metavar="N", help="of ascent for --show (default: %(default)s)")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Match, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    shown = both_shown(arguments)
    layer, units = units_of([arguments.unit])
    from sonde.evidence import corrected
    from sonde.results.plain import json_ready
    from sonde.vision import match_units

    model, other = both_opened(arguments)
    found = match_units(model, layer, other, arguments.layer, arguments.pictures, **shown)
    drawings = [found.drawing(), found.table(units), found.heat_map()]
    kinds = _kinds(arguments, found, model) if arguments.kinds else None
    if kinds is not None:
        drawings.append(kinds.drawing())
    if arguments.show:
        drawings.append(_panel(arguments, found, model, other, units))
    verdicts = []
    if arguments.check:
        judged = found if kinds is None else kinds
        verdicts = judged.check(model, other, arguments.pictures, **checking(arguments))
        verdicts = corrected(verdicts) if kinds is None else verdicts
    share, null = found.recurring()
    rows = json_ready(found.to_frame().to_dicts())
    return report(
        arguments, start, model, "Which unit is which?", drawings, verdicts, found.notes, layer=layer, other=found.other, other_hash=other.hash,
        other_layer=arguments.layer, pictures=found.pictures, recurring=share, recurring_by_chance=float(null.mean()),
        units=rows if units is None else [rows[unit] for unit in units], kinds=[] if kinds is None else json_ready(kinds.to_frame().to_dicts()),
    )  # fmt: skip


def _kinds(arguments: argparse.Namespace, found: "UnitMatches", model: "Model") -> "Recurrence":
    """Which kinds of units recur, by drawn stimuli."""
    from sonde.vision import colours, gratings, kinds_of, recurrence, tuning
    from sonde.vision.layers import fitting, view_of

    _, channels = fitting(model)
    view = view_of(model) or (SIDE, SIDE)
    if view[0] != view[1]:
        raise InputError(f"{model.name} takes pictures of {view[0]} x {view[1]}, and the stimuli of --kinds are square")
    if "colour" in arguments.kinds and channels != 3:
        raise InputError(f"--kinds colour needs a network of three channels, and {model.name} takes {channels}")
    drawn = {
        "orientation": lambda: gratings(view[0], None, range(0, 180, STEP), channels=channels),
        "colour": lambda: colours(view[0]),
    }
    tunings: dict[str, Tuning] = {
        kind: tuning(model, found.layer, drawn[kind](), normalise=found.normalise, batch_size=arguments.batch, progress=not arguments.json)
        for kind in dict.fromkeys(arguments.kinds)
    }
    return recurrence(found, kinds_of(model, tunings, seed=arguments.seed))


def _panel(arguments: argparse.Namespace, found: "UnitMatches", model: "Model", other: "Model", units: list[int] | None) -> "Drawing":
    """What the best matched units look for, above what their partners do."""
    from sonde.vision import Channel, show

    chosen = found.ranked()[: arguments.show] if units is None else units
    partners = sorted({*found.partner[chosen].tolist(), *found.null_partner[0, chosen].tolist()} - {-1})
    if not partners:
        raise InputError(f"{found.layer}:{chosen[0]} is dead on these pictures: --show has no partner to draw")
    own, others = (
        show(one, [Channel(layer, unit) for unit in some], normalise=means, steps=arguments.steps, seed=arguments.seed, progress=not arguments.json)
        for one, layer, some, means in (
            (model, found.layer, chosen, found.normalise), (other, found.other_layer, partners, found.other_normalise)
        )
    )  # fmt: skip
    return found.panel(chosen, dict(zip(chosen, own.pictures, strict=True)), dict(zip(partners, others.pictures, strict=True)))
