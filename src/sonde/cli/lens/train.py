"""`sonde lens train`: train a tuned lens, and judge it on other text."""

import argparse
import time
from pathlib import Path
from typing import Any

from sonde.cli.asking import count
from sonde.cli.lens.shared import add_model_options, add_output_options, add_text_options, opened_rows
from sonde.cli.printing import refuse_unwritable, report
from sonde.results import InputError

HELD_OUT = 10  # one context in so many is kept for judging


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "train",
        help="train a tuned lens",
        description="Train one translator for each layer so that its reading says what the model says; one context in ten is kept to judge it by. A "
        "training that was interrupted goes on with the same command.",
    )
    action.add_argument("folder", metavar="FOLDER", help="where the lens and its checkpoints go")
    add_model_options(action)
    action.add_argument("--steps", type=count, default=250, metavar="N", help="updates (default: %(default)s)")
    action.add_argument("--tokens", type=count, default=4096, metavar="N", help="tokens of an update (default: %(default)s)")
    action.add_argument(
        "--loss", choices=("kl", "cross_entropy"), default="kl",
        help="learn to say what the model says, or what comes next in the text (default: %(default)s)",
    )  # fmt: skip
    action.add_argument("--optimiser", choices=("adam", "sgd"), default="adam", help="default: %(default)s")
    action.add_argument("--lr", type=float, metavar="X", help="rate at its highest (default: .001 for adam, 1 for sgd)")
    action.add_argument("--weight-decay", type=float, default=1e-3, metavar="X", help="pull towards doing nothing (default: %(default)s)")
    action.add_argument("--rank", type=int, metavar="N", help="of each translator's matrix; 0 for a bias alone (default: any)")
    add_text_options(action, 2000)
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Train, judge, then print or write what was asked for."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.lens import TunedTraining, judge, train
    from sonde.loading import load

    config = TunedTraining(
        arguments.steps,
        arguments.tokens,
        arguments.loss,
        arguments.optimiser,
        arguments.lr,
        arguments.weight_decay,
        rank=arguments.rank,
        seed=arguments.seed,
    )
    model = load(arguments.model)
    rows = opened_rows(arguments, model)
    kept, learned = rows[::HELD_OUT], [row for i, row in enumerate(rows) if i % HELD_OUT]
    if not learned:
        raise InputError("one context of text leaves none to train on, since one in ten is kept for judging: give more text, or more --rows")
    folder = Path(arguments.folder)
    lens = train(model, learned, config, folder=folder, progress=not arguments.json)
    lens.save(folder / "lens")
    quality = judge(model, lens, kept, progress=not arguments.json)
    notes = [*lens.notes, f"the lens is kept in {folder / 'lens'}: read by it with `sonde lens logit PROMPT --tuned {folder / 'lens'}`"]
    return report(
        arguments, start, model, "How well does the tuned lens read?", [quality.drawing(), lens.drawing()], quality.check(model), notes,
        folder=str(folder / "lens"), layers=quality.layers, steps=arguments.steps, tokens=int(lens.log["tokens"][-1]),
        rows=quality.to_frame().to_dicts(),
    )  # fmt: skip
