"""Occlusion: what is lost when one part is taken away and everything else stays.

    phi_i = F(x) - F(x with part i replaced)

(Zeiler and Fergus 2014; Li, Monroe and Jurafsky 2016.) A direct question to the model, with no gradient in it; with a metric of a target and a foil
it is contrastive. Positions stay as they are: a token is replaced, never deleted. Where two parts say the same, neither is missed, and both get
nothing.
"""

import math
from collections.abc import Iterator

import torch
from jaxtyping import Bool
from torch import Tensor

from sonde.access import Metric, Model
from sonde.access.inputs import Given
from sonde.access.removal import Given as Absent
from sonde.access.removal import Grouping
from sonde.access.removal.question import BatchSize, Question
from sonde.attribution.playing import play, won
from sonde.attribution.question import ask
from sonde.attribution.results import Attribution
from sonde.results import InputError
from sonde.tasks import Task


def occlusion(
    model: Model,
    task: Task | Given,
    of: Metric | None = None,
    *,
    baseline: Absent,
    players: Grouping = None,
    window: int | None = None,
    stride: int | None = None,
    special: bool = False,
    at: str | None = None,
    batch_size: BatchSize = "auto",
    bos: bool | None = None,
) -> Attribution:
    """Attribute a metric to the parts of an input by removing one at a time.

    Arguments:
        model: the model.
        task: a task, or inputs (then with `of`).
        of: the metric; by default the task's.
        baseline: what stands for what is absent: "pad", "zero", "mean", "blur" (pictures), the text or id of a token, values of the site, or a
            baseline such as `sonde.Interventional`.
        players: the parts; by default every token, pixel or feature by itself; see `sonde.access.removal.players_of`.
        window: slide a square with so many pixels on a side over pictures, instead; every place gets the mean over the windows that cover it.
        stride: how far the window moves; by default its side.
        special: remove special tokens too.
        at: the site; by default where the inputs enter.
        batch_size: rows per pass.
        bos: for inputs, as for `Model.run`.

    Raises:
        InputError: no metric, or inputs, players, a window or a baseline that don't fit the model.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> occlusion(model, sonde.tasks.load("agreement", model, n=2), baseline="pad").absent
    "the padding token '<|end|>'"
    """
    steps = None if window is None else _steps(ask(model, task, of, at, bos), players, window, stride)
    if window is None and stride is not None:
        raise InputError(f"stride={stride} moves a window: give its side in pixels with window=")
    tiles = math.gcd(window, stride or window) if window is not None else players
    game = play(model, task, of, baseline, tiles, at=at, special=special, batch_size=batch_size, bos=bos)
    removed = [torch.eye(n, dtype=torch.bool) for n in game.players.counts] if steps is None else [steps] * len(game)
    shares = []
    for metric, which, drawn in zip(game.metric, removed, game.drawn([~which for which in removed]), strict=True):
        lost = (metric - drawn).T
        shares.append((lost @ (which / which.sum(0)), torch.zeros(which.shape[1])))
    arguments = {"baseline": baseline, "players": players, "window": window, "stride": stride, "special": special, "at": at}
    return won(game, "occlusion", shares, "occlusion", arguments, complete=False, sampled=False)


def _steps(question: Question, players: Grouping, window: int, stride: int | None) -> Bool[Tensor, "step tile"]:
    """The tiles that the window covers at each of its steps; at the lower and the right edge it may stand out of the picture."""
    if players is not None or question.cells != ("row", "col"):
        raise InputError(f"window={window} slides over pictures, and takes no players: {question.site!r} has the axes {' '.join(question.axes)}")
    stride = window if stride is None else stride
    shape = question.value.shape[-2:]
    if not 1 <= stride <= window <= min(shape):
        raise InputError(f"window={window}, stride={stride}: the window fits into {shape[0]} x {shape[1]} pixels, and no step is longer than it")
    tile = math.gcd(window, stride)
    down, across = ([tile * i for i in range(-(-side // tile))] for side in shape)
    covered = [
        [top <= row < top + window and left <= col < left + window for row in down for col in across]
        for top in _starts(shape[0], window, stride)
        for left in _starts(shape[1], window, stride)
    ]
    return torch.tensor(covered)


def _starts(side: int, window: int, stride: int) -> Iterator[int]:
    """Where the window stands along one axis, until all of it was covered."""
    return iter(range(0, side - window + stride, stride))
