"""`sonde features steer`: what does a model write with features set to a strength, and what does that cost elsewhere?"""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.features.attached import activity_of, add_use_options, opened_use, texts_of
from sonde.cli.printing import report


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "steer",
        help="write with features set to a strength",
        description="Samples with some features steered beside samples without, drawn with the same seeds; and the loss on other text under the same "
        "edits.",
    )
    action.add_argument("prompts", nargs="+", metavar="PROMPT", help="what is gone on from")
    action.add_argument(
        "--feature", action="append", required=True, metavar="N=X",
        help="12=4 clamps feature 12 to 4 times its largest activation, 12=0 ablates it, 12+1 adds to it; again for several",
    )  # fmt: skip
    action.add_argument("--when", choices=("all", "prompt", "new"), default="all", help="which tokens are steered (default: %(default)s)")
    action.add_argument("--samples", type=count, default=4, metavar="N", help="for each prompt (default: %(default)s)")
    action.add_argument("--tokens", type=count, default=20, metavar="N", help="of a sample (default: %(default)s)")
    action.add_argument("--temperature", type=float, default=1.0, metavar="T", help="of the draws (default: %(default)s)")
    action.add_argument("--matching", metavar="REGEX", help="test whether this is found in more steered samples, beside random features")
    add_use_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Steer, then print or write what was asked for."""
    start = time.perf_counter()
    from sonde.features import Push, matching, steer

    pushes = [Push.parse(text) for text in arguments.feature]
    wanted = matching(arguments.matching) if arguments.matching else None
    model, site = opened_use(arguments)
    measured, elsewhere = activity_of(arguments, model, site), texts_of(arguments, held=True)[:32]
    found = steer(
        model, site, arguments.prompts, pushes, measured, elsewhere, arguments.when, arguments.samples, arguments.tokens, arguments.temperature,
        arguments.seed,
    )  # fmt: skip
    verdicts = found.check(model, measured, wanted, seed=arguments.seed) if wanted else []
    return report(
        arguments, start, model, "What does steering do?", [found.drawing()], verdicts, [found.said], site=site, features=[str(p) for p in pushes],
        cost=found.cost, loss={"plain": found.loss_plain.tolist(), "steered": found.loss_steered.tolist()}, samples=found.to_frame().to_dicts(),
    )  # fmt: skip
