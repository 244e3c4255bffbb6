"""What a study of activations found: loss, skills, and how many neurons one hypothesis explains."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.evidence import compare, corrected, newcombe
from sonde.results import Drawing, Result, Verdict
from sonde.results.drawing import Series, bars, lines, table, tabs
from sonde.superposition.solu.inconsistency import Inconsistency
from sonde.superposition.solu.rater import SHARE, NeuronRatings
from sonde.superposition.solu.training import Size

if TYPE_CHECKING:
    from polars import DataFrame

BASELINE = "gelu"


@dataclass(frozen=True, eq=False)
class Trained:
    """One model of the study.

    Arguments:
        activation: of its neurons.
        size: its shape.
        losses: on each held-out row, in nats a token.
        skills: by name the share of right answers, and the ends of its interval.
        ratings: of the neurons of each layer.
    """

    activation: str
    size: Size
    losses: Float[Tensor, " row"]
    skills: dict[str, tuple[float, float, float]]
    ratings: tuple[NeuronRatings, ...]

    @property
    def passing(self) -> tuple[int, int]:
        """How many neurons of all layers pass, and how many were rated."""
        return sum(int(one.passes.sum()) for one in self.ratings), sum(int(one.rated.sum()) for one in self.ratings)

    @property
    def chance(self) -> float:
        """The share of random directions that pass, the mean over layers."""
        return sum(one.chance for one in self.ratings) / len(self.ratings)


@dataclass(frozen=True, eq=False, repr=False)
class SoluStudy(Result):
    """Language models that differ in their neurons; made by `solu_study`.

    Arguments:
        models: in the order of sizes and activations.
        weak: of the last model with a norm after SoLU, what the norm does to weak firings; `None` where there is none, or no neuron has a hypothesis.
    """

    models: tuple[Trained, ...]
    weak: Inconsistency | None

    def to_frame(self) -> "DataFrame":
        """One row for each model."""
        import polars as pl

        rows = []
        for one in self.models:
            passing, rated = one.passing
            row = {"activation": one.activation, "size": str(one.size), "loss": float(one.losses.mean()), "rated": rated, "passing": passing}
            rows.append(row | {"random": one.chance} | {name: share for name, (share, _, _) in one.skills.items()})
        return pl.DataFrame(rows)

    def neurons(self) -> "DataFrame":
        """One row for each neuron of each model."""
        import polars as pl

        return pl.concat([
            rated.to_frame().with_columns(activation=pl.lit(one.activation), size=pl.lit(str(one.size)), layer=pl.lit(layer))
            for one in self.models
            for layer, rated in enumerate(one.ratings)
        ])  # fmt: skip

    def drawing(self) -> Drawing:
        """The share of neurons that pass, layer by layer; loss and skills by size; the neurons of the last model; and what the norm does."""
        drawn = [("80 % test", self.passing_bars()), ("loss", self._loss())]
        drawn += [(name, self._skill(name)) for name in self.models[0].skills]
        last = self.models[-1]
        drawn += [(f"neurons, layer {i}", rated.drawing()) for i, rated in enumerate(last.ratings)]
        if self.weak is not None:
            drawn.append(("weak firings", self.weak.drawing()))
        rows = self.to_frame()
        drawn.append(("table", table("What does it cost?", rows.columns, [list(row) for row in rows.rows()])))
        return tabs("Does SoLU make neurons interpretable?", drawn)

    def check(self) -> list[Verdict]:  # type: ignore[override]
        """Whether at the largest size neurons pass more often than random directions, other activations' more often than GELU's, and cost loss; and
        what the norm does.

        Neurons of two models are no pairs: they stand beside one another in their order. Rows of the held-out text are.
        """
        largest = self.models[-1].size
        here = {one.activation: one for one in self.models if one.size == largest}
        verdicts = [_against_chance(one) for one in here.values()]
        if BASELINE in here:
            plain = here.pop(BASELINE)
            for name, one in here.items():
                own, control = (torch.cat([r.passes[r.rated] for r in model.ratings]).double() for model in (one, plain))
                n = min(len(own), len(control))
                verdicts.append(
                    compare(
                        f"More neurons of {name} than of {BASELINE} are explained by one hypothesis.", f"share of neurons with {SHARE:.0%} explained",
                        own[:n], control[:n], threshold=0.0, threshold_source="none: the claim is the difference",
                    )
                )  # fmt: skip
                verdicts.append(
                    compare(
                        f"{name} predicts worse than {BASELINE}.", "loss, nats a token", one.losses, plain.losses, threshold=0.0,
                        threshold_source="none: the claim is the difference",
                    )
                )  # fmt: skip
        if self.weak is not None:
            verdicts += self.weak.check()
        return corrected(verdicts)

    def difference(self, activation: str, size: str) -> tuple[float, float]:
        """Newcombe's interval for how many more neurons pass than of GELU, as a share.

        Arguments:
            activation: the other one.
            size: of both models, such as "2 x 64".
        """
        pair = {one.activation: one.passing for one in self.models if str(one.size) == size}
        return newcombe(*pair[activation], *pair[BASELINE])

    def _by_size(self) -> tuple[list[str], dict[str, list[Trained]]]:
        sizes = list(dict.fromkeys(str(one.size) for one in self.models))
        groups: dict[str, list[Trained]] = {}
        for one in self.models:
            groups.setdefault(one.activation, []).append(one)
        return sizes, groups

    def passing_bars(self) -> Drawing:
        """The share of neurons that pass, layer by layer, beside random directions."""
        layers = [(f"{one.activation}, {one.size}, layer {i}", rated) for one in self.models for i, rated in enumerate(one.ratings)]
        ratings = [rated for _, rated in layers]
        return bars(
            "How many neurons does one hypothesis explain?", "share of neurons that pass", [name for name, _ in layers],
            [rated.share for rated in ratings], intervals=[rated.interval for rated in ratings],
            bar_control=Series("random directions", [rated.chance for rated in ratings]), zero="none",
        )  # fmt: skip

    def _loss(self) -> Drawing:
        sizes, groups = self._by_size()
        series = [Series(name, [float(one.losses.mean()) for one in models]) for name, models in groups.items()]
        return lines("What does it cost?", "loss, nats a token", "layers x width", sizes, series)

    def _skill(self, skill: str) -> Drawing:
        sizes, groups = self._by_size()
        series = []
        for name, models in groups.items():
            shares, lows, highs = zip(*(one.skills[skill] for one in models), strict=True)
            series.append(Series(name, list(shares), list(lows), list(highs)))
        return lines(skill, "share of right answers", "layers x width", sizes, series)


def _against_chance(one: Trained) -> Verdict:
    """Whether a model's neurons pass more often than random directions of the same layers."""
    passes = torch.cat([rated.passes[rated.rated] for rated in one.ratings]).double()
    random = torch.cat([rated.random[:, rated.rated] >= SHARE for rated in one.ratings], 1).double()
    claim = f"More neurons of {one.activation} than random directions are explained by one hypothesis."
    source = "none: the claim is the difference"
    return compare(claim, f"share with {SHARE:.0%} explained", passes, random, threshold=0.0, threshold_source=source)
