"""Oracle LEACE: where each example's own label is known, what goes along with it linearly is subtracted, and nothing else (Belrose et al. 2023).

    x' = x - C S_z^+ (z - mu_z),    S_z the covariance of the targets, C the activations' cross-covariance with them

LEACE has to guess z from x and takes away whatever looks like it; who knows z takes away its regression alone, which is the least change that leaves
no cross-covariance. It needs a label for every example that it is used on, so it is a measuring stick and no edit.
"""

from dataclasses import dataclass
from typing import NoReturn

from jaxtyping import Float, Shaped
from torch import Tensor

from sonde.access import Site
from sonde.probing.erasure.targets import columns_of
from sonde.results import InputError

WAY_OUT = "fit with kind='leace', which reads the concept from the activations"


@dataclass(frozen=True, eq=False, repr=False)
class OracleEraser:
    """What takes the regression on known targets out of activations; made by `LeaceSums.oracle` or `oracle_leace`.

    Arguments:
        centre: mean of the targets, float64.
        weights: C S_z^+, what stands in an activation for each target, float64.
        change: the mean squared length of what it takes from the activations that it was fitted on.
        before: the largest cross-covariance of an entry with a target, on those activations.
        residual: the same after erasing.
        n: how many activations it was fitted on.
    """

    centre: Float[Tensor, " targets"]
    weights: Float[Tensor, "width targets"]
    change: float
    before: float
    residual: float
    n: int

    def __call__(self, x: Float[Tensor, "n width"], z: Shaped[Tensor, " n *targets"] | None = None) -> Float[Tensor, "n width"]:
        """Activations without what goes along with their targets.

        Arguments:
            x: activations.
            z: the number of each one's own class, or its own numbers.

        Raises:
            InputError: no targets, or others than one for each activation.
        """
        if z is None or len(z) != len(x):
            raise InputError(f"{0 if z is None else len(z)} targets for {len(x)} activations: an oracle needs each one's own; or {WAY_OUT}")
        away = columns_of(z, len(self.centre)).to(x.device) - self.centre.to(x.device)
        return x - (away @ self.weights.T.to(x.device)).to(x.dtype)

    def edit(self, site: str | Site) -> NoReturn:
        """Refused: a forward does not know the labels of what runs through it.

        Arguments:
            site: where it was meant.

        Raises:
            InputError: always, with the way out.
        """
        raise InputError(f"an oracle can't be an edit at {str(site)!r}, since a forward knows no labels: {WAY_OUT}")

    def __repr__(self) -> str:
        return f"OracleEraser({self.weights.shape[0]} entries, {len(self.centre)} targets, residual {self.residual:.3g} of {self.before:.3g})"
