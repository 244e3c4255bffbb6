"""`sonde lens updates`: of which sub-updates is a prediction made?"""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.lens.shared import add_output_options, add_prompt_options
from sonde.cli.printing import refuse_unwritable, report


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "updates",
        help="of which neurons' updates is a prediction made?",
        description="Take apart what the MLPs add at the last token: each neuron's vector times its coefficient, the tokens it raises, and what it "
        "adds to the logit difference.",
    )
    add_prompt_options(action, several=False)
    action.add_argument("--target", metavar="T", help="the token that is asked about (default: what the model says)")
    action.add_argument("--foil", metavar="F", help="the one that it is compared with (default: the best other guess)")
    action.add_argument("--pos", type=int, default=-1, metavar="N", help="the position (default: the last)")
    action.add_argument("--by", choices=("size", "contribution"), default="size", help="what makes a sub-update strong (default: %(default)s)")
    action.add_argument("-k", type=count, default=5, metavar="N", help="sub-updates of each block (default: %(default)s)")
    action.add_argument("--check", action="store_true", help="double the strongest ones and see whether the logits move as read")
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Take apart, then print or write what was asked for."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.lens import sub_updates
    from sonde.loading import load

    model = load(arguments.model)
    found = sub_updates(
        model, arguments.prompt, arguments.target, arguments.foil, arguments.pos, arguments.k, arguments.by, arguments.bos
    )  # fmt: skip
    return report(
        arguments, start, model, f"Of which sub-updates is {found.target!r} made?", [found.drawing()], found.check(model) if arguments.check else [],
        tokens=found.tokens, target=found.target, foil=found.foil, metric=found.metric, rows=found.to_frame().to_dicts(),
    )  # fmt: skip
