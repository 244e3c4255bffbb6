"""Which places of a network have a basis that matters."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jaxtyping import Float
from torch import Tensor

from sonde.evidence import compare, corrected
from sonde.results import Drawing, Result, Verdict
from sonde.results.drawing import Series, bars, tabs, violins
from sonde.superposition.privileged.measures import MEASURES

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class PrivilegedBasis(Result):
    """The measures at each site, beside those of the same activations turned at random; made by `privileged_basis`.

    Arguments:
        sites: where activations were read.
        values: on all of them.
        rotated: of each rotation.
        parts: on parts of the inputs: what the intervals are made of.
        rotated_parts: of each rotation, on the same parts.
        kurtosis: by site the excess kurtosis of each coordinate.
        turned: the same after one turn at random.
        notes: what was left out.
    """

    sites: tuple[str, ...]
    values: Float[Tensor, "site measure"]
    rotated: Float[Tensor, "site draw measure"]
    parts: Float[Tensor, "site part measure"]
    rotated_parts: Float[Tensor, "site draw part measure"]
    kurtosis: dict[str, Tensor]
    turned: dict[str, Tensor]
    notes: tuple[str, ...]

    @property
    def p(self) -> Float[Tensor, "site measure"]:
        """The share of bases, this one among them, that reach the measure; no less than 1 / (rotations + 1)."""
        return ((self.rotated >= self.values[:, None]).sum(1) + 1) / (self.rotated.shape[1] + 1)

    def to_frame(self) -> "DataFrame":
        """One row for each site and measure."""
        import polars as pl

        rows = [
            (
                site, name, float(self.values[i, j]), float(self.rotated[i, :, j].mean()), float(self.rotated[i, :, j].min()),
                float(self.rotated[i, :, j].max()), float(self.p[i, j]),
            )
            for i, site in enumerate(self.sites)
            for j, name in enumerate(MEASURES)
        ]  # fmt: skip
        return pl.DataFrame(rows, ["site", "measure", "value", "rotated", "low", "high", "p"], orient="row")

    def drawing(self) -> Drawing:
        """The kurtosis of every coordinate beside that after a turn at random, and each measure by site beside that of the rotations."""
        drawn = [("by coordinate", self.by_coordinate())]
        for j, name in enumerate(MEASURES):
            turned = self.rotated[:, :, j]
            control = Series("turned at random", turned.mean(1))
            note = f"Grey: the mean of {turned.shape[1]} rotations; their highest is {float(turned.max()):.3g}."
            drawn.append((name, bars(f"Is the basis special: {name}", name, self.sites, self.values[:, j], bar_control=control, note=note)))
        return tabs("Is the basis privileged?", drawn)

    def by_coordinate(self) -> Drawing:
        """How the kurtosis of the coordinates is spread at each site, as it is and after a turn at random; by its logarithm, as tails are long."""
        labels, samples = [], []
        for site in self.sites:
            for name, values in ((site, self.kurtosis[site]), (f"{site}, turned", self.turned[site])):
                labels.append(name)
                samples.append((values[~values.isnan()] + 3).clamp_min(1).log10())
        note = "0.48: normal; 1: a kurtosis of 10; 2: of 100. Turned: the same activations in coordinates drawn at random."
        return violins("Do the coordinates differ from directions drawn at random?", "log10 of kurtosis", labels, samples, note=note)

    def check(self, model: Any = None) -> list[Verdict]:
        """Whether each measure exceeds that of one more rotation, on parts of the inputs, and that of every rotation on all of them.

        Arguments:
            model: the one whose activations were read, where they are a model's.

        Raises:
            CheckRefused: another model.
        """
        if model is not None:
            self.refuse_other(model)
        return corrected([
            compare(
                f"The coordinates of {site} are special: {name}.", name, self.parts[i, :, j], self.rotated_parts[i, :, :, j], exceeding="draw",
                threshold=float(self.rotated_parts[i, :, :, j].mean(1).max()), threshold_source="the highest of the rotations",
            )
            for i, site in enumerate(self.sites)
            for j, name in enumerate(MEASURES)
        ])  # fmt: skip
