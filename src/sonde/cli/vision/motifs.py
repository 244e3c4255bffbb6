"""`sonde vision motifs`: wirings that turn with what they read, and units that stand for several things."""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.printing import refuse_unwritable, report
from sonde.cli.vision.shared import add_model_options, add_output_options, size_of, stated, units_of
from sonde.results import InputError

TOP = 200


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "motifs",
        help="wirings that turn with what they read; units that stand for several things",
        description="With --reads: do families of a layer read families of another in the same way from every side? With --pictures: into how many "
        "groups do the pictures fall that excite a unit most, as the layer before sees them, and what follows from each?",
    )
    action.add_argument(
        "units", nargs="+", metavar="UNIT", help="LAYER, or with --pictures LAYER:CHANNEL of one; a layer is a module's path or a site"
    )
    add_model_options(action)
    action.add_argument("--reads", metavar="LAYER", help="the layer whose units are the channels of this one; both have families by curves")
    action.add_argument("--pictures", metavar="PATH", help="a folder of picture files, or an array (.npy) with numbers from 0 to 1")
    action.add_argument("--before", metavar="LAYER", help="with --pictures: the layer in whose space they are grouped")
    action.add_argument("--labels", choices=("folders",), help="with --pictures: a file's label is its folder")
    action.add_argument("--size", metavar="N|ROWS,COLS", help="of stimuli, or to which files are brought")
    action.add_argument("--step", type=count, default=45, metavar="DEGREES", help="with --reads: between angles (default: %(default)s)")
    action.add_argument("--null", type=count, default=100, metavar="N", help="draws of chance, 20 or more (default: %(default)s)")
    action.add_argument("--batch", type=count, default=32, metavar="N", help="pictures at once (default: %(default)s)")
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask one of both, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    if (arguments.reads is None) == (arguments.pictures is None):
        raise InputError("give one of --reads LAYER (wirings that turn) and --pictures PATH (units that stand for several things)")
    if arguments.pictures is not None and arguments.before is None:
        raise InputError("--pictures needs --before LAYER: the layer that the units read, in whose space the pictures are grouped")
    if arguments.null < 20:
        raise InputError(f"--null {arguments.null}: the 95 % quantile of a null needs 20 draws or more")
    layer, units = units_of(arguments.units)
    if arguments.reads is not None and units is not None:
        raise InputError(f"--reads looks at families of a whole layer: name {layer} alone")
    return _turning(arguments, start, layer) if arguments.reads else _several(arguments, start, layer, units)


def _turning(arguments: argparse.Namespace, start: float, layer: str) -> int:
    normalise, size = stated(arguments), size_of(arguments.size)
    from sonde.loading import load
    from sonde.results.plain import json_ready
    from sonde.vision import curves, equivariance, families, tuning
    from sonde.vision.layers import fitting

    model = load(arguments.model)
    own, channels = fitting(model)
    side = size[0] if size else own if isinstance(own, int) else own[0]
    stimuli = curves(side, angles=range(0, 360, arguments.step), channels=channels)
    found, notes, verdicts = [], [], []
    both = [
        families(
            tuning(model, one, stimuli, normalise=normalise, batch_size=arguments.batch, progress=not arguments.json), mirror=False,
            draws=arguments.null, seed=arguments.seed, progress=not arguments.json,
        )
        for one in (layer, arguments.reads)
    ]  # fmt: skip
    for i in range(both[0].count):
        for j in range(both[1].count):
            try:
                found.append(equivariance(model, both[0], both[1], i, j, seed=arguments.seed))
            except InputError as reason:
                notes.append(f"family {i} of {layer} and {j} of {arguments.reads}: {reason}")
    for name, one in zip((layer, arguments.reads), both, strict=True):
        if not one.count:
            notes.append(f"{name} has no family of units that are one another, turned")
    if arguments.check:
        from sonde.evidence import corrected

        verdicts = corrected([verdict for one in found for verdict in one.check(model, seed=arguments.seed)])
    drawings = [one.drawing() for one in found] or [one.pairs() for one in both]
    rows = [{"units": one.units, "sources": one.sources, "score": one.score, "p": one.p} for one in found]
    return report(
        arguments, start, model, "Which wirings turn with what they read?", drawings, verdicts, notes, layer=layer, reads=arguments.reads,
        motifs=json_ready(rows), units=[],
    )  # fmt: skip


def _several(arguments: argparse.Namespace, start: float, layer: str, units: list[int] | None) -> int:
    normalise, size = stated(arguments), size_of(arguments.size)
    from sonde.loading import load
    from sonde.results.plain import json_ready
    from sonde.vision import dataset_examples, polysemanticity

    model, progress = load(arguments.model), not arguments.json
    seen = dataset_examples(
        model, arguments.pictures, layer, units, normalise=normalise, size=size, top=TOP, labels=arguments.labels, pictured=units,
        seed=arguments.seed, batch_size=arguments.batch, progress=progress,
    )  # fmt: skip
    found = polysemanticity(
        model, arguments.pictures, seen, arguments.before, draws=arguments.null, seed=arguments.seed, batch_size=arguments.batch, progress=progress
    )
    drawings = [found.drawing(), *([found.interference()] if found.cosines.numel() and len(found.units) > 1 else [])]
    verdicts = found.check(model) if arguments.check else []
    return report(
        arguments, start, model, "Which units stand for several things?", drawings, verdicts, found.notes, layer=layer, reads=arguments.before,
        motifs=[], units=json_ready(found.to_frame().to_dicts()),
    )  # fmt: skip
