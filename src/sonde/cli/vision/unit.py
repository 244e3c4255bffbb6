"""`sonde vision unit`: all that is known of one unit, on one page."""

import argparse
import time
from typing import Any

from sonde.cli.printing import plain_verdict, print_json, refuse_unwritable, told
from sonde.cli.vision.pairs import other_stated
from sonde.cli.vision.shared import add_labels_option, add_page_options, add_scaling_options, page_inputs, size_of
from sonde.results import InputError


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "unit",
        help="all that is known of one unit, on one page",
        description="What a unit looks for and away from, when it fires on pictures, what it is tuned to, and what replacing it does to the answers; "
        "each claim beside its evidence.",
    )
    action.add_argument("model", metavar="MODEL", help="a specimen, a folder, a Hub id or FILE.py:NAME")
    action.add_argument("unit", metavar="LAYER:CHANNEL", help="a layer is a module's path or a site")
    add_scaling_options(action)
    add_page_options(action)
    add_labels_option(action)
    action.add_argument("--ablation", choices=("mean", "zero"), default="mean", help="what the unit is replaced by (default: %(default)s)")
    action.add_argument(
        "--variety", type=int, default=4, metavar="N", help="different pictures of what it looks for; 0 for none (default: %(default)s)"
    )
    action.add_argument("--draws", type=int, default=4, metavar="N", help="shuffled networks for comparison; 0 for none (default: %(default)s)")
    action.add_argument("--others", type=int, default=8, metavar="N", help="other units that are replaced, too (default: %(default)s)")
    action.add_argument("--partners", type=int, default=4, metavar="N", help="units that excite it, inhibit it, are fed by it (default: %(default)s)")
    action.add_argument("--other", metavar="MODEL", help="another network, in which the nearest unit is sought; with --other-layer")
    action.add_argument("--other-layer", metavar="LAYER", default="", help="where it is sought")
    action.add_argument("--other-normalise", metavar="HOW", help="none, imagenet or MEANS/DEVIATIONS (default: as its own image processor says)")
    action.add_argument("--other-scale", type=float, metavar="X", help="as --scale")
    action.add_argument("--other-order", choices=("rgb", "bgr"), help="as --order")
    action.add_argument("--other-size", metavar="N|ROWS,COLS", help="to which files are brought for it")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask all, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    given = page_inputs(arguments)
    from sonde.loading import load
    from sonde.results.plain import json_ready
    from sonde.tasks import Ablation
    from sonde.vision import unit_page

    model = load(arguments.model)
    if (arguments.other is None) != (not arguments.other_layer):
        raise InputError("--other MODEL and --other-layer LAYER belong together")
    other = None if arguments.other is None else load(arguments.other)
    other_scaling = other_stated(arguments)
    page = unit_page(
        model, arguments.unit, given.pictures, normalise=given.normalise, size=given.size, classes=given.classes, labels=given.labels,
        ablation=Ablation(arguments.ablation), pixels=arguments.pixels, steps=arguments.steps, variety=arguments.variety, draws=arguments.draws,
        others=arguments.others, partners=arguments.partners, other=other, other_layer=arguments.other_layer,
        other_normalise=other_scaling, other_size=size_of(arguments.other_size), seed=arguments.seed, batch_size=arguments.batch,
        folder=arguments.folder, progress=not arguments.json,
    )  # fmt: skip
    document = page.document()
    if arguments.json:
        notes = next((section.sentences for section in document.sections if section.key == "notes"), [])
        effect, examples, built = page.effect, page.examples, page.built
        sides = {} if built is None else {side: built.incoming(page.unit, page.partners, sign) for side, sign in (("excite", 1), ("inhibit", -1))}
        partners = {side: [json_ready(vars(one)) for one in found] for side, found in sides.items()}
        print_json(
            arguments, start, model, warnings=[one.text for one in notes], unit=page.name, units=page.units, dead=page.dead,
            summary=[{"text": one.text, "verdict": one.verdict and plain_verdict(one.verdict)} for one in document.sections[0].sentences],
            looks={"most": json_ready(page.most.to_frame().to_dicts()), "least": json_ready(page.least.to_frame().to_dicts())},
            tuned={one.stimuli.name: json_ready(one.to_frame().to_dicts())[0] for one in page.tunings},
            density=None if examples is None else float(examples.density[0]),
            examples=[] if examples is None else json_ready(examples.to_frame().to_dicts()),
            effect=None if effect is None else {
                "moved": float(effect.moved[0].mean()), "flipped": float(effect.flipped[0].float().mean()), "others": effect.others,
                "moved_by_others": effect.moved[1:].mean(1).tolist(), "classes": json_ready(effect.to_frame().to_dicts()),
            },
            partners=partners, nearest=None if page.matches is None else json_ready(page.matches.to_frame()[page.unit].to_dicts())[0],
            broken={} if examples is None else examples.broken,
            verdicts=[plain_verdict(one) for part in page.verdicts.values() for one in part],
        )  # fmt: skip
    told(arguments, document)
    return 0
