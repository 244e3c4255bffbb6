"""`sonde lens logit`: what would each layer say next?"""

import argparse
import time
from typing import Any

from sonde.cli.asking import count
from sonde.cli.lens.shared import add_output_options, add_prompt_options, opened_lens
from sonde.cli.printing import refuse_unwritable, report
from sonde.results import InputError

READS = ("blocks", "halves", "attention", "mlp")


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "logit",
        help="what would each layer say next?",
        description="Read the residual stream of every layer through the model's own final norm and unembedding: the likeliest tokens, and how far "
        "each layer is from the end.",
    )
    add_prompt_options(action)
    action.add_argument(
        "--read", choices=READS, default="blocks",
        help="the stream after blocks or both halves of them, or what attention or the MLP of each block adds (default: %(default)s)",
    )  # fmt: skip
    action.add_argument("--follow", action="append", default=[], metavar="TOKEN", help="show this token's course, such as ' are'; again for several")
    action.add_argument("-k", type=count, default=10, metavar="N", help="tokens that are kept of each reading (default: %(default)s)")
    action.add_argument("--tuned", metavar="FOLDER", help="move the states by this tuned lens first, which `sonde lens train` made")
    add_output_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read, then print or write what was asked for."""
    start = time.perf_counter()
    refuse_unwritable(arguments)
    from sonde.lens import logit_lens, tuned_lens
    from sonde.loading import load

    if arguments.tuned and arguments.read != "blocks":
        raise InputError(f"--tuned translates the stream after blocks: leave out --read {arguments.read}")
    model = load(arguments.model)
    if arguments.tuned:
        found = tuned_lens(model, arguments.prompts, opened_lens(arguments.tuned), arguments.k, arguments.bos, arguments.follow)
    else:
        found = logit_lens(model, arguments.prompts, arguments.k, arguments.bos, arguments.read, arguments.follow)
    drawings = [drawing for i in range(len(found.tokens)) for drawing in (found.drawings(i), found.courses(i))]
    return report(
        arguments, start, model, "What would each layer say next?", drawings, read=found.read, layers=found.layers, tokens=found.tokens,
        readings=found.to_frame().to_dicts(), top=found.top_tokens,
    )  # fmt: skip
