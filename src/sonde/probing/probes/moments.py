"""Mean, deviation and correlations of features, over blocks of rows: what standardises a probe without a standardised copy of its data.

A probe is fitted on z = (x - mean) / deviation, where one penalty fits all features, and kept in the units of x: w_x = w_z / deviation.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.results import InputError

BLOCK = 1024  # rows that are centred at a time: they stay in the cache until they are used up


@dataclass(frozen=True, eq=False)
class Standard:
    """The mean and the deviation of each feature; a feature that never changes has deviation 1, so that it counts for nothing.

    Arguments:
        mean: of each feature.
        deviation: of each feature, with n in the denominator.
    """

    mean: Float[Tensor, " d"]
    deviation: Float[Tensor, " d"]

    @staticmethod
    def of(x: Float[Tensor, "n d"]) -> "Standard":
        """Measure the features.

        Arguments:
            x: one row per example.

        Raises:
            InputError: no rows, or values that are not finite.
        """
        if x.ndim != 2 or not len(x) or not x.is_floating_point():
            raise InputError(f"a probe reads a table of activations [examples, entries], not {tuple(x.shape)} {x.dtype}")
        # deviations from the first rows' mean: a mean far from zero would drown them
        near = x[:BLOCK].to(precision(x)).mean(0)
        sums = torch.zeros(2, x.shape[1], dtype=torch.float64, device=x.device)
        for _, block in centred(x, near):
            sums[0] += block.sum(0)
            sums[1] += block.square_().sum(0)
        means, squares = sums / len(x)
        if not bool(sums.isfinite().all()):
            raise InputError(f"{int((~x.isfinite()).any(1).sum())} of {len(x)} rows of activations are not finite; find out why before probing them")
        variance = squares - means.square()
        constant = variance <= (1e-6 * near.abs().double().clamp_min(1e-30)).square() + 1e-14 * squares
        return Standard((near + means).to(near.dtype), variance.clamp_min(0).sqrt().masked_fill(constant, 1.0).to(near.dtype))

    def applied(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Standardised rows, in a table of their own.

        Arguments:
            x: one row per example.
        """
        return (x.to(self.mean.dtype) - self.mean) / self.deviation


def centred(x: Float[Tensor, "n d"], mean: Float[Tensor, " d"], block: int = BLOCK) -> Iterator[tuple[slice, Float[Tensor, "rows d"]]]:
    """Block after block of rows less their mean, all in the same memory: use one before the next is asked for.

    Arguments:
        x: one row per example, in any precision.
        mean: what is subtracted, in the precision of the results.
        block: rows at a time.
    """
    memory = torch.empty(min(block, len(x)), x.shape[1], dtype=mean.dtype, device=x.device)
    for start in range(0, len(x), block):
        rows = slice(start, min(start + block, len(x)))
        yield rows, torch.sub(x[rows], mean, out=memory[: rows.stop - start])


def correlations(x: Float[Tensor, "n d"], standard: Standard) -> Float[Tensor, "d d"]:
    """The mean of z z^T over the rows, z being standardised.

    Arguments:
        x: one row per example.
        standard: of these features, or of more rows of them.
    """
    gram = torch.zeros(x.shape[1], x.shape[1], dtype=standard.mean.dtype, device=x.device)
    for _, block in centred(x, standard.mean, 4 * BLOCK):
        gram.addmm_(block.T, block)
    return gram / (len(x) * standard.deviation * standard.deviation[:, None])


def precision(x: Tensor) -> torch.dtype:
    """In which precision a probe of these activations is fitted."""
    return torch.float64 if x.dtype == torch.float64 else torch.float32
