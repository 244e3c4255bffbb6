"""`sonde superposition quiz`: look at tokens on which a neuron fires, say what they have in common, and be scored on others."""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.printing import console, print_json, refuse_unwritable, told
from sonde.cli.superposition.basis import opened_texts
from sonde.cli.superposition.shared import add_output_options
from sonde.results import InputError


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "quiz",
        help="guess what a neuron fires on, and be scored",
        description="Show tokens on which a neuron fires, take a hypothesis (patterns such as *ing or cat|cats), and score it on texts that were not "
        "shown. Without --hypothesis it is asked for, as often as you like; an empty line ends the quiz.",
    )
    action.add_argument(
        "--model", default="specimen:words", metavar="M", help="a specimen, a folder, a Hub id or FILE.py:NAME (default: %(default)s)"
    )
    action.add_argument("--site", default="blocks.0.mlp.post", metavar="SITE", help="where the neuron is (default: %(default)s)")
    action.add_argument("--neuron", type=int, metavar="I", help="which (default: drawn at random)")
    action.add_argument("--texts", metavar="FILE", help="a text a line (default: documents of the small world)")
    action.add_argument("-n", type=count, default=200, metavar="N", help="texts (default: %(default)s)")
    action.add_argument("--examples", type=count, default=6, metavar="N", help="examples that are shown (default: %(default)s)")
    action.add_argument("--hypothesis", metavar="TEXT", help="score this one, and ask for none")
    action.add_argument("--seed", type=int, default=0, metavar="N", help="of the draws (default: %(default)s)")
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show, ask and score."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    if arguments.json and arguments.hypothesis is None:
        raise InputError("with --json nobody is asked: give a --hypothesis")
    texts = opened_texts(arguments)
    from sonde.loading import load
    from sonde.results.document import Document, Section
    from sonde.superposition.solu import read_neuron

    model = load(arguments.model)
    neuron, asked = read_neuron(model, arguments.site, texts, arguments.neuron, arguments.examples, arguments.seed)
    if arguments.json:
        score = asked.score(arguments.hypothesis)
        print_json(
            arguments, start, model, neuron=neuron, hypothesis=score.hypothesis, precision=score.precision, recall=score.recall, chance=score.chance
        )
    told(arguments, Document(f"Neuron {neuron} of {arguments.site}", "", [], [Section("quiz", "What does it fire on?", drawings=[asked.drawing()])]))
    if arguments.json:
        return 0
    given = arguments.hypothesis or _heard()
    while given:
        score = asked.score(given)
        precision, recall = ("none" if share is None else f"{share:.0%}" for share in (score.precision, score.recall))
        verdict = "explained" if score.passes else "not explained"
        console().print(f"{given}: of its strong firings {recall} found, {precision} of the guesses right (chance {score.chance:.1%}): {verdict}")
        given = "" if arguments.hypothesis else _heard()
    return 0


def _heard() -> str:
    """What the user types; nothing where the input has ended."""
    try:
        return input("What does it fire on? ").strip()
    except EOFError:
        return ""
