"""What long computations share: progress, a memory budget, work in pieces that can be resumed, and files of the user's own that are run."""

from sonde.jobs.folders import place_for
from sonde.jobs.lengths import by_length
from sonde.jobs.memory import available, rows_within
from sonde.jobs.own_files import defined, said
from sonde.jobs.pieces import Pieces
from sonde.jobs.progress import track
from sonde.jobs.shards import Executor, InProcess, Share, Unfinished, refuse_unfinished, shards, share_of

__all__ = [
    "Executor",
    "InProcess",
    "Pieces",
    "Share",
    "Unfinished",
    "available",
    "by_length",
    "defined",
    "place_for",
    "refuse_unfinished",
    "rows_within",
    "said",
    "share_of",
    "shards",
    "track",
]
