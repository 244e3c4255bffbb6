"""`sonde dictionary compare`: what two dictionaries have in common, what splits, and what one has alone; across models, too."""

import argparse
import time
from typing import Any

from sonde.cli.dictionary.judged import FOLDER, add_options, opened, opened_texts
from sonde.cli.printing import noted, plain_verdict, print_json, refuse_unwritable, told


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "compare",
        help="what do two dictionaries have in common?",
        description="Match the latents of two dictionaries by what they do on the same tokens, beside random directions, neurons and other tokens; "
        "give the smaller one first to see what splits.",
    )
    action.add_argument("first", metavar="FOLDER", help=FOLDER)
    action.add_argument("second", metavar="FOLDER", help="another one")
    add_options(action)
    action.add_argument("--other-model", metavar="M", help="the model of the second, where it is another one")
    action.add_argument("--other-site", metavar="SITE", help="the site of the second, where it is another one")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compare, then print or write what was asked for."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.dictionaries import compare
    from sonde.loading import load
    from sonde.results.document import Document, Section, Sentence
    from sonde.results.plain import json_ready

    model = load(arguments.model)
    (one, first), (other, second) = opened([arguments.first, arguments.second]).items()
    x = (model, load(arguments.other_model)) if arguments.other_model else model
    site = (arguments.site, arguments.other_site) if arguments.other_site else arguments.site
    rows = opened_texts(arguments, model)
    found = compare(first, second, x, site, rows, (one, other), seed=arguments.seed)
    verdicts = found.check(model) if arguments.check else []
    if arguments.json:
        controls = {name: float(values.nanmean()) for name, values in found.controls.items()}
        print_json(
            arguments, start, model, warnings=list(found.notes), names=list(found.names), activations=found.rows,
            latents=json_ready(found.to_frame().to_dicts()), splits=json_ready(found.splits.tolist()), mcc=json_ready(found.mcc),
            controls=json_ready(controls), verdicts=[plain_verdict(verdict) for verdict in verdicts],
        )  # fmt: skip
    facts = [("model", f"{model.name} ({model.hash[:8]})"), ("texts", f"{len(rows):,}, {found.rows:,} activations that count")]
    sections = [Section("matches", "What do they have in common?", drawings=[found.drawing()])]
    if verdicts:
        sections.append(Section("evidence", "Is it more than chance?", sentences=[Sentence(verdict.claim, verdict) for verdict in verdicts]))
    told(arguments, Document(f"{one} beside {other}", "", facts, [*sections, *noted(found.notes)]))
    return 0
