"""What a subject hands over for a job: the thing to time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


def nothing() -> None:
    """What comes before a repeat where nothing must."""


@dataclass(frozen=True)
class Trial:
    """One subject's way to do one job.

    Arguments:
        run: does the job once, or the stated share of it; gets what `before` returns, if that is anything.
        answer: from what `run` returned to the numbers that are compared with the plain ones, by name; `None` where there are none.
        before: runs untimed before each repeat.
        times: how often the whole job holds what `run` does; the costs are multiplied by it.
        children: the work is done by other processes, whose memory counts.
        note: what a reader of the table must know.
    """

    run: Callable[..., Any]
    answer: Callable[[Any], dict[str, Any]] | None = None
    before: Callable[[], Any] = nothing
    times: int = 1
    children: bool = False
    note: str = ""
