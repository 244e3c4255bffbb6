"""How scores are asked for where there is much: a rank, an index, pieces in a folder, workers; and what is asked about beside the loss."""

import argparse
from typing import TYPE_CHECKING, Any, Literal

from sonde.cli.asking import count
from sonde.cli.influence.asked import add_worker_option, query
from sonde.results import InputError, content_hash

if TYPE_CHECKING:
    from sonde.influence import Influence


def add_scale_options(action: argparse.ArgumentParser) -> None:
    """Register them."""
    action.add_argument("--site", metavar="SITE", help="ask about the value here, not the loss: 'blocks.1.attn.z[head=0, pos=-1]'; with --entry")
    action.add_argument("--entry", type=int, metavar="N", help="which of the site's entries, counted from 0")
    action.add_argument("--rank", type=count, metavar="R", help="keep the query's gradient by R directions a block; what that leaves out is told")
    action.add_argument("--half", action="store_true", help="keep the query's gradient in bfloat16")
    action.add_argument(
        "--index",
        type=count,
        metavar="K",
        help="ask an index of K x K axes a block of the training gradients; made at first use, kept in --folder",
    )
    add_worker_option(action)


def answered(arguments: argparse.Namespace, found: "Influence", verb: Literal["scores", "top"], **asked: Any) -> Any:
    """The scores, or the strongest texts.

    Arguments:
        arguments: of the command.
        found: the fitted curvature.
        verb: what is asked for.
        asked: what else it takes.
    """
    import torch

    if (arguments.site is None) != (arguments.entry is None):
        raise InputError("--site names a place and --entry which of its numbers is meant: give both")
    of = None if arguments.site is None else (arguments.site, arguments.entry)
    if arguments.index:
        if arguments.rank or arguments.half:
            raise InputError("--rank and --half are about a query's gradient, and an index keeps those of the training texts: leave one out")
        kept = f"{arguments.folder}/index-{arguments.index}" if arguments.folder else None
        return getattr(found.index(arguments.index, folder=kept, worker=arguments.worker), verb)(query(arguments), of=of, **asked)
    dtype = torch.bfloat16 if arguments.half else None
    told = content_hash([verb, query(arguments), of, asked, arguments.rank, arguments.half, arguments.damping])
    place = f"{arguments.folder}/answers/{told}" if arguments.folder else None
    return getattr(found, verb)(query(arguments), of=of, rank=arguments.rank, dtype=dtype, folder=place, worker=arguments.worker, **asked)
