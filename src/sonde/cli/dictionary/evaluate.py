"""`sonde dictionary evaluate`: how good are dictionaries, beside neurons, principal components and random directions?"""

import argparse
import time
from typing import Any

from sonde.cli.dictionary.judged import FOLDER, add_options, labelled_texts, opened, opened_texts
from sonde.cli.printing import noted, plain_verdict, print_json, refuse_unwritable, told


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "evaluate",
        help="how good is a dictionary?",
        description="Judge dictionaries on texts: what they write back, how often latents are active, what the model loses with them, and which "
        "known properties have a latent; beside neurons, principal components and random directions that are active as often.",
    )
    action.add_argument("dictionaries", metavar="FOLDER", nargs="+", help=FOLDER)
    add_options(action)
    action.add_argument("--metric", dest="metrics", action="append", metavar="NAME", help="activity, reconstruction or loss; again for several")
    action.add_argument("--properties", action="store_true", help="also probe what is true at each token of the small world's documents")
    action.add_argument("--no-controls", dest="controls", action="store_false", help="judge the dictionaries alone")
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Evaluate, then print or write what was asked for."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.dictionaries import evaluate
    from sonde.loading import load
    from sonde.results.document import Document, Section, Sentence
    from sonde.results.plain import json_ready

    model, bases = load(arguments.model), opened(arguments.dictionaries)
    known = labelled_texts(arguments, model) if arguments.properties else None
    rows, labels = (opened_texts(arguments, model), None) if known is None else (known.rows, known.labels)
    metrics = [*arguments.metrics, *(("properties", "absorption") if known else ())] if arguments.metrics else None
    found = evaluate(
        bases, model, arguments.site, rows, labels=labels, metrics=metrics, controls=arguments.controls, seed=arguments.seed
    )  # fmt: skip
    verdicts = found.check(model) if arguments.check else []
    if arguments.json:
        properties = [] if found.properties is None else found.properties.to_dicts()
        print_json(
            arguments, start, model, warnings=list(found.notes), activations=found.rows, bases=json_ready(found.to_frame().to_dicts()),
            properties=json_ready(properties), verdicts=[plain_verdict(verdict) for verdict in verdicts],
        )  # fmt: skip
    facts = [("model", f"{model.name} ({model.hash[:8]})"), ("texts", f"{len(rows):,}, {found.rows:,} activations that count")]
    sections = [Section("measures", "How good is it?", drawings=[found.drawing()])]
    if verdicts:
        sections.append(Section("evidence", "Is it better than its controls?", sentences=[Sentence(verdict.claim, verdict) for verdict in verdicts]))
    told(arguments, Document("Are these good dictionaries?", "", facts, [*sections, *noted(found.notes)]))
    return 0
