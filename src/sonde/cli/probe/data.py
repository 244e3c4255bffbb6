"""`sonde probe data`: which examples would be probed, and what can be told of them without any model?"""

import argparse
import time
from typing import Any

from sonde.cli.printing import noted, print_json, refuse_unwritable, told
from sonde.cli.probe.asked import add_data_options, add_output_options, opened_data


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "data",
        help="which examples would be probed?",
        description="Count the examples of each class, and say how many of them the commonest class tells, and the word by itself: what a probe must "
        "beat to have found anything in a model.",
    )
    add_data_options(action)
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Count, then print or write."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.probing import known_without
    from sonde.results.document import Document, Section
    from sonde.results.drawing import bars, table

    data = opened_data(arguments)
    known = known_without(data, arguments.seed)
    texts, groups = len(data.text.unique()), len(data.groups.unique())
    if arguments.json:
        print_json(
            arguments, start, warnings=list(data.notes), name=data.name, examples=len(data), texts=texts, groups=groups, classes=data.counts,
            without_a_model=known,
        )  # fmt: skip
    counts = table("How many examples of each class?", ["class", "examples"], [[name, size] for name, size in data.counts.items()])
    shares = bars("What is told without any model?", "share of the held-out examples", list(known), list(known.values()), zero="none is told")
    facts = [("examples", f"{len(data):,} in {texts:,} texts"), ("groups", f"{groups:,}, none of which is divided between train and test")]
    drawings = [counts, shares] if data.classes else []
    sections = [Section("data", "The examples", drawings=drawings), *noted(data.notes)]
    told(arguments, Document(f"What is asked: {data.name}", data.summary, facts, sections))
    return 0
