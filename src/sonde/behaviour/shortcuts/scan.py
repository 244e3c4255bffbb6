"""Candidates without looking: which patch, carried from pictures of one class into those of others, carries the answer along?

For each class and place a window is cut out of pictures of the class and pasted, at the same place, into pictures of other classes. The control
pastes windows of other classes and counts the same answer. Parts of the object carry answers along too, but they differ from picture to picture; a
watermark is the same in all and in no other class. So places are ranked by

    (flips - control) x (share of the class's windows that equal their median - share of the others' that equal it)
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Model
from sonde.behaviour.shortcuts.cues import TOLERANCE, Cue, usual_window
from sonde.behaviour.shortcuts.sizing import said
from sonde.jobs import track
from sonde.results import Drawing, InputError, Recipe, Result
from sonde.results.drawing import matrix, tabs

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class PatchScan(Result):
    """How often a window of each class's pictures turns other pictures into that class.

    Arguments:
        flips: by class and place of the window's upper left corner.
        control: the same with windows of other classes.
        size: of the window.
        stride: pixels from one place to the next.
        typical: the share of the class's windows that equal their median, less the share of the other classes' that equal it.
        marks: the median content of the class's windows.
        fills: the median content of the other classes' windows.
    """

    flips: Float[Tensor, "class row col"]
    control: Float[Tensor, "class row col"]
    size: int
    stride: int
    typical: Float[Tensor, "class row col"]
    marks: Float[Tensor, "class row col channel size size"]
    fills: Float[Tensor, "class row col channel size size"]

    @property
    def scores(self) -> Float[Tensor, "class row col"]:
        """What places are ranked by."""
        return (self.flips - self.control).clamp(min=0) * self.typical.clamp(min=0)

    def candidates(self, k: int = 3) -> list[Cue]:
        """The `k` windows of the highest scores, as cues; overlapping ones of one class count once."""
        if k < 1:
            raise InputError(f"k={k}: give 1 or more")
        excess = self.scores
        found: list[tuple[int, int, int]] = []
        for flat in excess.flatten().argsort(descending=True).tolist():
            outcome, row, col = (int(i) for i in torch.unravel_index(torch.tensor(flat), excess.shape))
            near = self.size / self.stride
            if any(c == outcome and abs(r - row) < near and abs(q - col) < near for c, r, q in found):
                continue
            found.append((outcome, row, col))
            if len(found) == k:
                break
        return [usual_window(self.marks[c, r, q], (r * self.stride, q * self.stride), c, self.fills[c, r, q]) for c, r, q in found]

    def to_frame(self) -> "DataFrame":
        """One row per class and place."""
        import polars as pl

        places = torch.cartesian_prod(*(torch.arange(n) for n in self.flips.shape))
        columns = {"class": places[:, 0], "row": places[:, 1] * self.stride, "col": places[:, 2] * self.stride}
        return pl.DataFrame({name: values.tolist() for name, values in columns.items()}).with_columns(
            flips=pl.Series(self.flips.flatten().tolist()),
            control=pl.Series(self.control.flatten().tolist()),
            typical=pl.Series(self.typical.flatten().tolist()),
        )

    def drawing(self) -> Drawing:
        """A map for each class, those with the largest excess first."""
        excess = self.scores
        order = excess.amax((1, 2)).argsort(descending=True).tolist()[:5]
        rows, cols = ([i * self.stride for i in range(n)] for n in excess.shape[1:])
        return tabs(
            "Which window carries the answer along?",
            [
                (
                    f"class {c}",
                    matrix(
                        f"Windows of class {c} in pictures of others", "share turned beyond the control, times share typical",
                        excess[c], row_name="row", rows=rows,
                        col_name="column", cols=cols, scale="sequential", limit=1.0, zero="carries nothing along",
                    ),
                )
                for c in order
            ],
            note=f"Windows of {self.size} x {self.size}, by their upper left corner. The control are windows of other classes.",
        )  # fmt: skip


def scan_patches(
    model: Model,
    pictures: Float[Tensor, "picture channel row col"],
    labels: Int[Tensor, " picture"],
    size: int = 3,
    stride: int = 1,
    n: int = 32,
    seed: int = 0,
) -> PatchScan:
    """Carry windows from pictures of each class into others, and count how often the answer goes along.

    Arguments:
        model: a classifier of pictures.
        pictures: examples.
        labels: their classes.
        size: rows and columns of the window.
        stride: pixels from one place to the next.
        n: pictures that each window is pasted into.
        seed: of which pictures.

    Raises:
        InputError: a window larger than the pictures, fewer than two classes.
    """
    _, _, height, width = pictures.shape
    if not 1 <= size <= min(height, width) or stride < 1:
        raise InputError(f"size={size} and stride={stride} do not fit pictures of {height} x {width}")
    classes = labels.unique().tolist()
    if len(classes) < 2:
        raise InputError(f"all {len(labels)} pictures are of class {classes[0] if classes else 'none'}: windows are carried from one class to others")
    windows = pictures.unfold(2, size, stride).unfold(3, size, stride)  # picture channel row col size size
    rows, cols, n_classes = windows.shape[2], windows.shape[3], max(classes) + 1
    generator = torch.Generator().manual_seed(seed)
    flips, control = (torch.zeros(n_classes, rows, cols) for _ in range(2))
    shape = (n_classes, rows, cols, pictures.shape[1], size, size)
    marks, fills, typical = torch.zeros(shape), torch.zeros(shape), torch.zeros_like(flips)
    before = said(model, pictures)
    for outcome in track(classes, "carrying windows"):
        mine, others = (labels == outcome).nonzero()[:, 0], (labels != outcome).nonzero()[:, 0]
        open_ = others[before[others] != outcome]
        if not len(open_):
            continue
        receivers = open_[torch.randint(len(open_), (n,), generator=generator)]
        pools = {"mine": mine, "others": others}
        donors = {name: pool[torch.randint(len(pool), (n,), generator=generator)] for name, pool in pools.items()}
        marks[outcome] = windows[mine].median(0).values.permute(1, 2, 0, 3, 4)
        fills[outcome] = windows[others].median(0).values.permute(1, 2, 0, 3, 4)
        equal = [(windows[pool].permute(0, 2, 3, 1, 4, 5) - marks[outcome]).abs().mean((3, 4, 5)) <= TOLERANCE for pool in (mine, others)]
        typical[outcome] = equal[0].float().mean(0) - equal[1].float().mean(0)
        for table, name in ((flips, "mine"), (control, "others")):
            for row in range(rows):
                pasted = pictures[receivers].repeat(cols, 1, 1, 1)
                for col in range(cols):
                    top, left = row * stride, col * stride
                    pasted[col * n : (col + 1) * n, :, top : top + size, left : left + size] = windows[donors[name], :, row, col]
                table[outcome, row] = (said(model, pasted) == outcome).view(cols, n).float().mean(1)
    return PatchScan(
        flips=flips, control=control, size=size, stride=stride, typical=typical, marks=marks, fills=fills,
        recipe=Recipe.of(
            "sonde.behaviour.scan_patches", {"size": size, "stride": stride, "n": n}, model_hash=model.hash, inputs=[pictures, labels], seed=seed
        ),
    )  # fmt: skip
