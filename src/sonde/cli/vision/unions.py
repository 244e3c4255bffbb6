"""`sonde vision unions`: mirrored pathways that inhibit each other and join, and units that answer to either of two cases."""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.vision.shared import add_model_options, add_output_options, size_of, stated
from sonde.results import InputError


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "unions",
        help="pathways for left and right that inhibit each other and join",
        description="Search the weights of convolutions that follow each other for mirrored pathways that inhibit each other and join in one unit, "
        "beside shuffled copies. With pictures: which units answer to either of two cases, and how alike the units answer to mirrored, turned and "
        "recoloured pictures; with --check, whether the pathways work on pictures as their weights say.",
    )
    action.add_argument(
        "layers", nargs="+", metavar="LAYER", help="paths of two or more convolutions, each reading the one before; the last one joins"
    )
    add_model_options(action)
    action.add_argument("--pictures", metavar="PATH", help="a folder of picture files, or an array (.npy) with numbers from 0 to 1")
    action.add_argument("--size", metavar="N|ROWS,COLS", help="bring files to this size: the shorter side is scaled, the middle is cut")
    action.add_argument("--copies", type=count, default=100, metavar="N", help="shuffled copies of the weights of each kind (default: %(default)s)")
    action.add_argument("--networks", type=count, default=4, metavar="N", help="shuffled networks that see the pictures (default: %(default)s)")
    action.add_argument("--draws", type=count, default=20, metavar="N", help="random units for --check (default: %(default)s)")
    action.add_argument("--batch", type=count, default=64, metavar="N", help="pictures at once (default: %(default)s)")
    action.add_argument("--folder", metavar="DIR", help="keep finished copies here: a search that was interrupted goes on")
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Search, show, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    normalise, size = stated(arguments), size_of(arguments.size)
    for name in ("copies", "networks", "draws"):
        if getattr(arguments, name) < 2:
            raise InputError(f"--{name} {getattr(arguments, name)}: give a number of 2 or more, so that their spread is seen")
    if arguments.pictures is None and (arguments.check or normalise is not None):
        given = "--check" if arguments.check else "--normalise"
        raise InputError(f"{given} is about pictures: give a folder, or an array (.npy), with --pictures")
    from torch import nn

    from sonde import vision
    from sonde.evidence import corrected
    from sonde.loading import load
    from sonde.results.plain import json_ready
    from sonde.vision.union_checks import checked, read_all

    model = load(arguments.model)
    seen = None if arguments.pictures is None else read_all(model, arguments.pictures, normalise, size)
    found = vision.union_circuits(model, arguments.layers, size=size, draws=arguments.copies, seed=arguments.seed, folder=arguments.folder,
                                  progress=not arguments.json)  # fmt: skip
    drawings, verdicts, notes = [*(found.drawing(number) for number in found.first()), found.table()], [], list(found.notes)
    cases = alike = None
    if seen is not None:
        pictures, means, left_out = seen
        notes += left_out
        drawings.append(found.pictured(model, pictures, normalise=means, batch_size=arguments.batch))
        more = {"normalise": means, "draws": arguments.networks, "seed": arguments.seed, "batch_size": arguments.batch}
        if isinstance(dict(model.module.named_modules())[arguments.layers[-1]], nn.Conv2d | nn.Linear):
            cases = vision.union_cases(model, arguments.layers[-1], pictures, progress=not arguments.json, **more)
            notes += cases.notes
        else:
            notes.append(f"units that answer to either of two cases are looked for in convolutions, and {arguments.layers[-1]} is none itself")
        alike = vision.invariance(model, found.sites[1:], pictures, progress=not arguments.json, **more)
        if cases is not None:
            drawings += [cases.drawing()] if cases.cases else []
            notes += [] if cases.cases else [cases.drawing().note]
        drawings.append(alike.drawing())
        notes += alike.notes
        if arguments.check:
            wanted = [found.candidate(number) for number in found.first()]
            claims = checked(found, model, wanted, pictures, means, None, arguments.draws, arguments.seed, arguments.batch)
            verdicts = corrected([*claims, *alike.claims()])  # one command, one family
    return report(
        arguments, start, model, "Do mirrored pathways join?", drawings, verdicts, list(dict.fromkeys(notes)), layers=found.layers,
        candidates=json_ready(found.to_frame().to_dicts()), count=len(found.circuits),
        null={kind: {"margins": json_ready(found.null[kind].tolist()), "counts": found.null_counts[kind].tolist(), "p": found.beyond(kind)}
              for kind in found.null},
        cases=None if cases is None else json_ready(cases.to_frame().to_dicts()),
        cases_null=None if cases is None else cases.null.tolist(),
        invariance=None if alike is None else {layer: dict(zip(alike.changes, json_ready(alike.gain(layer).tolist()), strict=True))
                                               for layer in alike.layers},
        invariance_null=None if alike is None else {layer: dict(zip(alike.changes, json_ready(alike.shuffled[layer].mean(0).tolist()), strict=True))
                                                    for layer in alike.layers},
    )  # fmt: skip
