"""Activations brought to a common scale before a dictionary reads them: x' = (x - mean) scale."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.results import InputError

Kind = Literal["none", "mean", "sqrt_width", "unit_variance"]


@dataclass(frozen=True, eq=False)
class Normaliser:
    """A shift and a scale of each entry, the same for every activation.

    Arguments:
        mean: taken away.
        scale: what is left is multiplied by it; above 0.
    """

    mean: Float[Tensor, " width"]
    scale: Float[Tensor, " width"]

    def __post_init__(self) -> None:
        if self.mean.shape != self.scale.shape or not self.mean.isfinite().all() or not (self.scale.isfinite() & (self.scale > 0)).all():
            raise InputError(
                f"a mean of shape {tuple(self.mean.shape)} and scales of {tuple(self.scale.shape)}: give finite ones of one shape, scales above 0"
            )

    @staticmethod
    def fit(x: Float[Tensor, "rows width"], kind: Kind, parts: tuple[int, ...] = ()) -> "Normaliser":
        """From a sample of activations.

        Arguments:
            x: the sample.
            kind: `none`; `mean`: centred; `sqrt_width`: an activation has on average the length sqrt(width) (Anthropic, April 2024);
                `unit_variance`: centred, and the mean square of an entry becomes 1.
            parts: widths of what lies side by side (the sites of a crosscoder), each with a scale of its own; one part by default.

        Raises:
            InputError: activations that are all the same, or not finite.
        """
        if not x.isfinite().all():
            raise InputError("activations that are not finite can't be brought to a scale: look at the rows that hold nan or inf")
        x = x.to(torch.float32)
        mean = x.mean(0) if kind in ("mean", "unit_variance") else torch.zeros_like(x[0])
        if kind in ("none", "mean"):
            return Normaliser(mean, torch.ones_like(mean))
        scales = []
        for part in (x - mean).split(list(parts or (x.shape[1],)), dim=1):
            size = part.norm(dim=1).mean() if kind == "sqrt_width" else part.pow(2).sum(1).mean().sqrt()
            if size == 0:
                raise InputError(f"{len(x)} activations that are all the same have no scale: train on a site that varies")
            scales.append(torch.full_like(part[0], part.shape[1] ** 0.5) / size)
        return Normaliser(mean, torch.cat(scales))

    def __call__(self, x: Float[Tensor, "*rows width"]) -> Float[Tensor, "*rows width"]:
        """Activations at the common scale."""
        scale = self.scale.to(x)
        return torch.addcmul(-self.mean.to(x) * scale, x, scale)

    def undo(self, x: Float[Tensor, "*rows width"]) -> Float[Tensor, "*rows width"]:
        """Activations as they were."""
        return x / self.scale.to(x) + self.mean.to(x)
