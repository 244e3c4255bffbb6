"""The 80 % test by a surrogate rater: is there one simple hypothesis that explains most of a neuron's strong firings?

In half of the documents the rater looks at the tokens on which a neuron fires most, and chooses the property that most of them share; of several the
rarest. In the other half it looks at the neuron's strongest tokens again: the neuron passes if at least 80 % of them have the property. Elhage et al.
(2022), "Softmax linear units", asked people who did not know which model a neuron was of. The same activations turned at random are the control:
where tokens of one kind lie close together, a random direction has one kind at its end, too, and passing is no sign that neurons are special.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.evidence import compare, random_rotation, wilson
from sonde.results import Drawing, InputError, Recipe, Result, Verdict, content_hash
from sonde.results.drawing import Control, bars
from sonde.superposition.solu.properties import Properties

if TYPE_CHECKING:
    from polars import DataFrame

SHARE = 0.8
"""Of the strong firings that a hypothesis must explain."""
DRAWS = 5


@dataclass(frozen=True, eq=False, repr=False)
class NeuronRatings(Result):
    """What a surrogate rater says of neurons; made by `rate_neurons`.

    Arguments:
        hypotheses: of each neuron.
        chosen: its number.
        sought: the share of the strongest tokens that have it, where it was chosen.
        held_out: the share where it is judged; nan for a neuron that fires too rarely.
        random: the same of neurons turned at random.
        strongest: tokens that are looked at, in each half.
    """

    hypotheses: tuple[str, ...]
    chosen: Int[Tensor, " neuron"]
    sought: Float[Tensor, " neuron"]
    held_out: Float[Tensor, " neuron"]
    random: Float[Tensor, "draw neuron"]
    strongest: int

    @property
    def rated(self) -> Bool[Tensor, " neuron"]:
        """The neurons that fire often enough to be rated."""
        return ~self.held_out.isnan()

    @property
    def passes(self) -> Bool[Tensor, " neuron"]:
        """The neurons that pass; those that could not be rated do not."""
        return self.held_out >= SHARE

    @property
    def share(self) -> float:
        """The share of the rated neurons that pass."""
        return float(self.passes.sum() / self.rated.sum().clamp_min(1))

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval of the share; neurons count as independent."""
        return wilson(int(self.passes.sum()), max(1, int(self.rated.sum())))

    def to_frame(self) -> "DataFrame":
        """One row for each neuron."""
        import polars as pl

        rows = zip(range(len(self.hypotheses)), self.hypotheses, self.sought.tolist(), self.held_out.tolist(), self.passes.tolist(), strict=True)
        return pl.DataFrame(list(rows), ["neuron", "hypothesis", "sought", "held_out", "passes"], orient="row")

    def drawing(self) -> Drawing:
        """The twenty neurons that are explained best, and what random directions reach."""
        order = self.held_out.nan_to_num(-1).argsort(descending=True)[:20].tolist()
        spread = self.random[~self.random.isnan()]
        control = (
            Control("random directions", float(spread.mean()), (float(spread.quantile(0.05)), float(spread.quantile(0.95)))) if len(spread) else None
        )
        return bars(
            "Which neurons does one hypothesis explain?", "share of strong firings explained, held out",
            [f"{i}: {self.hypotheses[i]}" for i in order], self.held_out[order], control=control, zero="none",
            note=f"{int(self.passes.sum())} of {int(self.rated.sum())} neurons pass ({SHARE:.0%} or more), {self.chance:.1%} of random directions.",
        )  # fmt: skip

    @property
    def chance(self) -> float:
        """The share of random directions that pass."""
        return float((self.random >= SHARE).sum() / (~self.random.isnan()).sum().clamp_min(1))

    def check(self) -> list[Verdict]:  # type: ignore[override]
        """Whether more neurons pass than random directions of the same space; the examples are the neurons."""
        kept = self.rated & ~self.random.isnan().any(0)
        return [
            compare(
                "More neurons than random directions are explained by one hypothesis.", "share that passes", self.passes[kept].double(),
                (self.random[:, kept] >= SHARE).double(), threshold=0.05, threshold_source="one neuron of twenty",
            )
        ]  # fmt: skip


def rate_neurons(
    activations: Float[Tensor, "token neuron"], properties: Properties, strongest: int = 20, draws: int = DRAWS, seed: int = 0,
) -> NeuronRatings:  # fmt: skip
    """Rate neurons by the 80 % test.

    Arguments:
        activations: of each neuron on each token.
        properties: of the same tokens.
        strongest: tokens that are looked at, in each half; a neuron that is positive on fewer is not rated.
        draws: random rotations.
        seed: of the halves and of the rotations.

    Raises:
        InputError: other tokens, fewer than two neurons, activations that are not finite.
    """
    if len(activations) != len(properties.document) or activations.shape[1] < 2 or not activations.isfinite().all() or strongest < 1:
        raise InputError(
            f"activations {tuple(activations.shape)} of {len(properties.document)} tokens, strongest={strongest}: give finite ones of the same "
            "tokens, of two neurons or more"
        )
    x = activations.detach().float().cpu()
    halves = properties.halves(seed)
    chosen, sought, held_out = _rated(x, properties, halves, strongest)
    turned = [_rated(x @ random_rotation(x.shape[1], seed * 10_007 + k), properties, halves, strongest)[2] for k in range(draws)]
    arguments, inputs = {"strongest": strongest, "draws": draws}, [x, properties.holds]
    recipe = Recipe.of("sonde.superposition.rate_neurons", arguments, model_hash=content_hash(x), inputs=inputs, seed=seed)
    names = tuple(properties.names[i] for i in chosen.tolist())
    return NeuronRatings(names, chosen, sought, held_out, torch.stack(turned) if turned else x.new_zeros(0, x.shape[1]), strongest, recipe=recipe)


def _rated(
    x: Float[Tensor, "token neuron"], properties: Properties, halves: tuple[Tensor, Tensor], strongest: int
) -> tuple[Int[Tensor, " neuron"], Float[Tensor, " neuron"], Float[Tensor, " neuron"]]:
    """The chosen property of each neuron, and which share of its strongest tokens has it, in both halves."""
    precisions = []
    enough = torch.ones(x.shape[1], dtype=torch.bool)
    for half in halves:
        holds, own = properties.holds[half].float(), x[half]
        enough &= (own > 0).sum(0) >= strongest
        top = own.topk(min(strongest, len(own)), dim=0).indices
        precisions.append(torch.stack([holds[column].mean(0) for column in top.T]))
    # of properties that explain as much the rarest is the boldest hypothesis
    chosen = (precisions[0] - 1e-4 * properties.holds[halves[0]].float().mean(0)).argmax(1)
    sought, held_out = (found.gather(1, chosen[:, None])[:, 0] for found in precisions)
    return chosen, sought, torch.where(enough, held_out, torch.nan)
