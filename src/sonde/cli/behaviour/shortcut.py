"""`sonde behaviour shortcut`: windows of pictures that carry the answer along, and how much rests on them."""

import argparse
import time
from typing import TYPE_CHECKING, Any

from sonde.cli.printing import print_json, refuse_unwritable, told

if TYPE_CHECKING:
    from jaxtyping import Int
    from torch import Tensor

    from sonde.access import Model
    from sonde.behaviour import Cue, PatchScan, Shortcuts


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "shortcut",
        help="does a classifier of pictures take a shortcut? (Clever Hans)",
        description="Find windows that carry a classifier's answer from one class into others, and measure how much of its accuracy rests on them. "
        "Without --model two small networks of digits are trained, one with a planted mark and one without, and compared.",
    )
    action.add_argument("--model", metavar="M", help="a specimen, a folder, a Hub id or FILE.py:NAME (default: two networks trained here)")
    action.add_argument("--data", metavar="FILE", help="safetensors with the tensors inputs and labels (default: the digits that were held out)")
    action.add_argument("--size", type=int, default=3, metavar="N", help="rows and columns of the window (default: %(default)s)")
    action.add_argument("--stride", type=int, default=1, metavar="N", help="pixels from one place to the next (default: %(default)s)")
    action.add_argument("-k", type=int, default=3, metavar="N", help="how many candidates are measured (default: %(default)s)")
    action.add_argument("--seed", type=int, default=0, metavar="N", help="of the training and of every draw (default: %(default)s)")
    action.add_argument("--out", metavar="FILE", help="write the drawings as one HTML page")
    action.add_argument("--json", action="store_true", help="print JSON")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Scan and measure, then print or write what was asked for."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.cli.behaviour.labelled import labelled
    from sonde.loading import load
    from sonde.results.document import Document, Section
    from sonde.results.plain import json_ready

    cues: list[Cue] = []
    if arguments.model is None and arguments.data is None:
        from sonde.behaviour import clever_hans

        hans = clever_hans(seed=arguments.seed)
        models, inputs, labels, cues = [hans.model, hans.twin], hans.pictures, hans.digits, [hans.cue]
    else:
        models = [load(arguments.model or "specimen:digits")]
        inputs, labels = labelled(arguments.data)
    found = [(model, *_measured(model, inputs, labels, cues, arguments)) for model in models]
    if arguments.json:
        plain = [{"model": model.name, "model_hash": model.hash, "cues": json_ready(sized.to_frame().to_dicts())} for model, _, sized in found]
        print_json(arguments, start, models[0], model=models[0].name, results=plain)
    sections = [Section(f"model-{i}", model.name, drawings=[sized.drawing(), scan.drawing()]) for i, (model, scan, sized) in enumerate(found)]
    told(arguments, Document("Does the model take a shortcut?", "", [("model", f"{m.name} ({m.hash[:8]})") for m in models], sections))
    return 0


def _measured(
    model: "Model", inputs: "Tensor", labels: "Int[Tensor, ' example']", cues: "list[Cue]", arguments: argparse.Namespace
) -> "tuple[PatchScan, Shortcuts]":
    """The scan, and the cues that are given and those that it finds, measured."""
    from sonde.behaviour import scan_patches, shortcuts

    scan = scan_patches(model, inputs, labels, size=arguments.size, stride=arguments.stride, seed=arguments.seed)
    return scan, shortcuts(model, inputs, labels, [*cues, *scan.candidates(arguments.k)], seed=arguments.seed)
