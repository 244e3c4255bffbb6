"""`sonde behaviour shift`: accuracy and calibration of a classifier of pictures before and after named shifts."""

import argparse
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sonde.cli.printing import plain_verdict, print_json, refuse_unwritable, told
from sonde.results import InputError

if TYPE_CHECKING:
    from sonde.behaviour.shift import To

AMOUNTS = {"noise": 0.2, "blur": 1.0, "contrast": 0.5, "brightness": 0.3, "rotation": 20.0}


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "shift",
        help="how far do accuracy and calibration move under a named shift?",
        description="Measure a classifier of pictures before and after shifts: accuracy, confidence, calibration error, Brier score and log loss, "
        "with paired intervals.",
    )
    action.add_argument(
        "--model", default="specimen:digits", metavar="M", help="a specimen, a folder, a Hub id or FILE.py:NAME (default: %(default)s)"
    )
    action.add_argument("--data", metavar="FILE", help="safetensors with the tensors inputs and labels (default: the digits that were held out)")
    action.add_argument("--other", metavar="FILE", help="another such file: the shifted data")
    action.add_argument(
        "--by", action="append", default=[], metavar="NAME[=X]",
        help=f"a shift, by how much: {', '.join(f'{name}={amount:g}' for name, amount in AMOUNTS.items())}; again for several (default: all)",
    )  # fmt: skip
    action.add_argument("--check", action="store_true", help="test on the second half of the pictures whether accuracy falls")
    action.add_argument("--seed", type=int, default=0, metavar="N", help="of the bootstrap (default: %(default)s)")
    action.add_argument("--out", metavar="FILE", help="write the drawings as one HTML page")
    action.add_argument("--json", action="store_true", help="print JSON")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure each shift, then print or write what was asked for."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    shifts = _shifts(arguments)
    from sonde.behaviour import shift
    from sonde.cli.behaviour.labelled import labelled
    from sonde.evidence import corrected
    from sonde.loading import load
    from sonde.results.document import Document, Section, Sentence
    from sonde.results.plain import json_ready

    model = load(arguments.model)
    inputs, labels = labelled(arguments.data)
    half = len(labels) // 2 if arguments.check else len(labels)
    results = [shift(model, inputs[:half], labels[:half], to, seed=arguments.seed) for to in shifts]
    verdicts = []
    if arguments.check:
        pairs = zip(results, shifts, strict=True)
        verdicts = corrected([verdict for result, to in pairs for verdict in result.check(model, inputs[half:], labels[half:], to)])
    if arguments.json:
        plain = [{"name": r.name, "paired": r.paired, "n": r.n, "moved": json_ready([asdict(one) for one in r.moved])} for r in results]
        print_json(arguments, start, model, results=plain, verdicts=[plain_verdict(verdict) for verdict in verdicts])
    sections = [Section(f"shift-{i}", result.name, drawings=[result.drawing()]) for i, result in enumerate(results)]
    if verdicts:
        sections.append(Section("evidence", "Does it hold for other pictures?", sentences=[Sentence(v.claim, v) for v in verdicts]))
    told(arguments, Document("What does a shift do?", "", [("model", f"{model.name} ({model.hash[:8]})")], sections))
    return 0


def _shifts(arguments: argparse.Namespace) -> "list[To]":
    if arguments.other and arguments.by:
        raise InputError("give either --by or --other: shifted pictures, or other data")
    if arguments.other:
        from sonde.cli.behaviour.labelled import labelled

        return [labelled(arguments.other)]
    from sonde.behaviour.shifts import PICTURES

    found: list[To] = []
    for text in arguments.by or AMOUNTS:
        name, equals, amount = text.partition("=")
        try:
            found.append(PICTURES[name](float(amount) if equals else AMOUNTS[name]))
        except KeyError:
            raise InputError(f"--by {text!r}: there is no shift {name!r}; it is one of {', '.join(AMOUNTS)}") from None
        except ValueError:
            raise InputError(f"--by {text!r}: {amount!r} is no number; give for example {name}={AMOUNTS[name]:g}") from None
    return found
