"""What a subject hands over for a job: the thing to time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple


def nothing() -> None:
    """What comes before a repeat where nothing must."""


class Stratum(NamedTuple):
    """Cells of a job that are alike, some of which stand for all of them.

    Arguments:
        cells: those that are done.
        of: how many there are, in cells of their size.
    """

    cells: tuple[Any, ...]
    of: float


@dataclass(frozen=True)
class Trial:
    """One subject's way to do one job.

    Arguments:
        run: does the job once, or the stated share of it; gets what `before` returns, if that is anything.
        answer: from what `run` returned to the numbers that are compared with the plain ones, by name; `None` where there are none.
        before: runs untimed before each repeat.
        times: how often the whole job holds what `run` does; the costs are multiplied by it.
        children: the work is done by other processes, whose memory counts.
        strata: where only a sample is timed: `run` gets one cell and does that.
        checked: does what is compared, where that is not what `run` does.
        score: how well the job is done, greater being better; `None` where that is no question.
        resident_mb: what is resident with libraries and data, before what the job is about is made; 0 where that does not matter.
        note: what a reader of the table must know.
    """

    run: Callable[..., Any]
    answer: Callable[[Any], dict[str, Any]] | None = None
    before: Callable[[], Any] = nothing
    times: int = 1
    children: bool = False
    strata: tuple[Stratum, ...] = ()
    checked: Callable[[], Any] | None = None
    score: float | None = None
    resident_mb: float = 0.0
    note: str = ""
