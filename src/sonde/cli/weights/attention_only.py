"""`sonde weights attention-only`: what does each layer of attention add?"""

import argparse
import time
from pathlib import Path
from typing import Any

from sonde.cli.asking import count
from sonde.cli.printing import noted, plain_verdict, print_json, refuse_unwritable, told


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "attention-only",
        help="what does each layer of attention add?",
        description="Train models of attention alone with no layer, one and two on one text: loss by place, what the context is worth, and what is "
        "left of that without induction heads.",
    )
    action.add_argument("--text", metavar="FILE", help="a text, read letter by letter (default: words by chance, parts of which are said again)")
    action.add_argument("--layers", nargs="+", type=int, default=[0, 1, 2], metavar="N", help="depths of the models (default: 0 1 2)")
    action.add_argument("--steps", type=count, metavar="N", help="updates of each model (default: 3000)")
    action.add_argument("--held-out", type=count, default=256, metavar="N", help="rows that are measured on (default: %(default)s)")
    action.add_argument("--folder", type=Path, metavar="DIR", help="keep models and checkpoints here; an interrupted study goes on from them")
    action.add_argument("--seed", type=int, default=0, metavar="N", help="of text, first weights and draws (default: %(default)s)")
    action.add_argument("--out", metavar="FILE", help="write the drawings as one HTML page")
    action.add_argument("--json", action="store_true", help="print JSON")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train and measure, then print or write it."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.results.document import Document, Section, Sentence
    from sonde.results.plain import json_ready
    from sonde.weights import SmallConfig, attention_only

    config = SmallConfig(layers=tuple(arguments.layers), **({"steps": arguments.steps} if arguments.steps else {}))
    found = attention_only(arguments.text, config, arguments.seed, arguments.held_out, arguments.folder)
    if arguments.json:
        scores = {name: float(score.mean()) for name, score in zip(found.names, found.in_context, strict=True)}
        print_json(
            arguments, start, text=found.text, in_context=scores, induction=found.heads, reason=found.reason,
            entries=json_ready(found.to_frame().to_dicts()), verdicts=[plain_verdict(verdict) for verdict in found.verdicts],
        )  # fmt: skip
    sections = [
        Section("found", "What does each layer of attention add?", drawings=[found.drawing()]),
        Section("evidence", "Is it true?", sentences=[Sentence(verdict.claim, verdict) for verdict in found.verdicts]),
        *noted([found.reason]),
    ]
    facts = [("text", found.text), ("rows measured on", str(found.losses.shape[1])), ("updates", str(found.steps))]
    told(arguments, Document("What does each layer of attention add?", "", facts, sections))
    return 0
