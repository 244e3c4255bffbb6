"""How much of activations a basis writes back, over a whole stream.

    FVU = sum_n |y_n - y^_n|^2 / sum_n |y_n - mean y|^2

Numerator and denominator are summed over everything before they are divided, the mean is one for each entry, and all sums are float64: the mean of
ratios, variance about zero, and a large mean in float32 each give another, more flattering number.

Shape legend: N rows, O entries written, B blocks of rows.
"""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.results import InputError


@dataclass
class Reconstruction:
    """Sums of squares of a stream of activations and of what was written for them.

    Arguments:
        width: entries that are written.

    >>> y = torch.randn(50, 3, generator=torch.Generator().manual_seed(0)) + 100
    >>> blocks = torch.arange(50) // 10
    >>> found = Reconstruction(3).update(y, y.mean(0).expand(50, 3), blocks)
    >>> round(found.fvu, 6), round(Reconstruction(3).update(y, y, blocks).fvu, 6)
    (1.0, 0.0)
    """

    width: int
    rows: int = field(default=0, init=False)
    ratios: float = field(default=0.0, init=False)
    shift: Float[Tensor, " out"] = field(init=False, repr=False)
    sums: Float[Tensor, "kind out"] = field(init=False, repr=False)
    blocks: dict[int, tuple[float, int]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self.sums = torch.zeros(6, self.width, dtype=torch.float64)

    def update(self, y: Float[Tensor, "rows out"], written: Float[Tensor, "rows out"], blocks: Int[Tensor, " rows"]) -> "Reconstruction":
        """Take in more activations.

        Arguments:
            y: what was to be written.
            written: what was.
            blocks: which rows belong together, such as the tokens of one text.

        Raises:
            InputError: shapes that differ, or what was written is not finite.
        """
        if y.shape != written.shape or y.shape[1] != self.width:
            raise InputError(f"activations of shape {tuple(y.shape)} and {tuple(written.shape)} written for them: both should be rows x {self.width}")
        if not written.isfinite().all():
            raise InputError(f"{int((~written.isfinite()).any(1).sum())} of {len(written)} rows were written as nan or inf: this basis is broken")
        y, written = y.detach().cpu().double(), written.detach().cpu().double()
        if not self.rows:
            self.shift = y.mean(0)  # sums about a value near the mean keep their digits where the mean is large
        here, there, left = y - self.shift, written - self.shift, y - written
        self.sums += torch.stack([each.sum(0) for each in (here, there, here * here, there * there, here * there, left * left)])
        norms = y.norm(dim=1)
        self.ratios += float((written.norm(dim=1) / norms.clamp(min=torch.finfo(torch.float64).tiny))[norms > 0].sum())
        self.rows += len(y)
        texts, of = blocks.unique(return_inverse=True)
        totals = torch.zeros(len(texts), dtype=torch.float64).index_add_(0, of, left.square().sum(1))
        for block, total, n in zip(texts.tolist(), totals.tolist(), torch.bincount(of).tolist(), strict=True):
            before = self.blocks.get(block, (0.0, 0))
            self.blocks[block] = (before[0] + total, before[1] + n)
        return self

    @property
    def fvu(self) -> float:
        """The share of the variance that is not written back."""
        return self.fvu_of(slice(None))

    def fvu_of(self, part: slice) -> float:
        """The same of some entries, such as those of one of several sites.

        Arguments:
            part: the entries.

        Raises:
            InputError: they do not vary.
        """
        total = float(self._spread(0, 2)[part].sum())
        if not total > 0:
            raise InputError(f"{self.rows} activations that are all the same have no variance to explain: give others, or more")
        return float(self.sums[5][part].sum()) / total

    @property
    def norm_ratio(self) -> float:
        """The mean length of what is written over the length of what was to be."""
        return self.ratios / self.rows

    @property
    def slope(self) -> float:
        """By what written deviations from the mean should be multiplied to fit best: above 1 they are shrunk; nan where nothing varies."""
        n = self.rows
        across = self.sums[4] - self.sums[0] * self.sums[1] / n
        spread = float(self._spread(1, 3).sum())
        return float(across.sum()) / spread if spread > 0 else float("nan")

    @property
    def errors(self) -> Float[Tensor, " block"]:
        """Each block's mean squared error over the variance of all: their mean over the rows is the FVU."""
        variance = float(self._spread(0, 2).sum()) / self.rows
        return torch.tensor([total / n / variance for _, (total, n) in sorted(self.blocks.items())], dtype=torch.float64)

    @property
    def lengths(self) -> Float[Tensor, " block"]:
        """How many rows each block has."""
        return torch.tensor([n for _, (_, n) in sorted(self.blocks.items())], dtype=torch.float64)

    def _spread(self, total: int, squares: int) -> Tensor:
        if not self.rows:
            raise InputError("no activations were taken in: give at least two")
        return (self.sums[squares] - self.sums[total].square() / self.rows).clamp(min=0)
