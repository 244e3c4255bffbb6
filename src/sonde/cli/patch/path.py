"""`sonde patch path`: along which paths does a part act on another?"""

import argparse
import time
from typing import Any

from sonde.cli.patch.shared import ABLATIONS, PLACES, ablation, add_options, entries, halves, opened, places
from sonde.cli.printing import report


def add(actions: Any) -> None:
    """Register the action."""
    action = actions.add_parser(
        "path",
        help="along which paths a part acts on another",
        description="Change what senders give, hold other parts at what they were, and let only the receivers hear of it.",
    )
    action.add_argument("--senders", action="append", metavar="WHICH", help=f"{PLACES}; again for several (default: heads and mlps)")
    action.add_argument("--receivers", action="append", metavar="SITE", help="such as 'blocks.3.attn.q[head=1]'; again for several (default: logits)")
    action.add_argument(
        "--frozen", action="append", metavar="WHAT", help="heads, heads+mlps, none, or sites, which may be globs; again for several (default: heads)"
    )
    action.add_argument("--positions", metavar="POS", help="where they are frozen: a number, a span, 0:4 (default: everywhere)")
    action.add_argument("--norm", default="live", choices=("live", "frozen"), help="the norms behind the senders (default: %(default)s)")
    action.add_argument("--direction", default="noising", choices=("noising", "denoising"), help="(default: %(default)s)")
    action.add_argument("--ablation", default="counterfactual", metavar="KIND", help=f"what noising writes: {ABLATIONS} (default: %(default)s)")
    action.add_argument("--check", action="store_true", help="find senders on half of the examples, and test them on the others")
    add_options(action)
    action.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Patch the paths, then print or write what was asked for."""
    start = time.perf_counter()
    kind = ablation(arguments.ablation)
    model, task = opened(arguments)
    from sonde.access import Site
    from sonde.patching import path_patching
    from sonde.patching.freezing import KINDS

    given = arguments.frozen or ["heads"]
    frozen: Any = given[0] if given[0] in KINDS and len(given) == 1 else given
    positions: Any = None if arguments.positions is None else dict(Site.parse(f"blocks[pos={arguments.positions}]").select)["pos"]
    search, judged = halves(arguments, task) if arguments.check else (task, task)
    found = path_patching(
        model, search, places(arguments.senders or ["heads", "mlps"], model, task), arguments.receivers or ["logits"], frozen,
        positions, arguments.norm, arguments.direction, kind,
    )  # fmt: skip
    verdicts = found.check(model, judged, arguments.seed) if arguments.check else []
    settings = {"receivers": found.receivers, "frozen": found.frozen, "positions": found.positions, "norm": found.norm}
    return report(arguments, start, model, "Along which paths?", [found.drawing()], verdicts, task.notes, **entries(found.patches), **settings)
