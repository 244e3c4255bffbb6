"""Do heads raise the tokens that they look at? Told by the eigenvalues of the map from tokens to tokens.

Of a head's full OV circuit M = E V O U, an eigenvalue is positive where a mixture of tokens raises itself (Elhage et al. 2021):

    score = sum Re(lambda) / sum |lambda|        1: every mixture raises itself, -1: it lowers itself

over all tokens of the vocabulary, each embedding less the mean embedding. The eigenvalues that are not zero are those of the small matrix O U E V. By
chance: the same with the unembedding's tokens shuffled.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.jobs import track
from sonde.results import Drawing, InputError, Recipe, Result, shown
from sonde.results.drawing import Points, head_grid, scatter, tabs
from sonde.weights.bigrams import refuse_without_direct_path
from sonde.weights.linear import LinearMap
from sonde.weights.maps import embedding, ov, unembedding
from sonde.weights.results import chance_of_any

if TYPE_CHECKING:
    from polars import DataFrame

NOTE = "All tokens of the vocabulary; norms folded, biases and positions left out. Copying is needed for induction, and no proof of it."


@dataclass(frozen=True, eq=False, repr=False)
class CopyingScores(Result):
    """The eigenvalues of every head's map from tokens to tokens, and the share of them that is positive.

    Arguments:
        values: the score of each head, from -1 to 1.
        eigenvalues: real and imaginary parts.
        shuffled: the scores with the unembedding's tokens shuffled.
        chance: the size that the best head does not reach in 19 of 20 shufflings.
    """

    values: Float[Tensor, "layer head"]
    eigenvalues: Float[Tensor, "layer head rank 2"]
    shuffled: Float[Tensor, "draw layer head"]
    chance: float

    def to_frame(self) -> "DataFrame":
        """One row per head, the one that copies most first."""
        import polars as pl

        n_layers, n_heads = self.values.shape
        names = [f"{layer}.{head}" for layer in range(n_layers) for head in range(n_heads)]
        frame = pl.DataFrame({"head": names, "copying": self.values.flatten().tolist(), "shuffled": self.shuffled.mean(0).flatten().tolist()})
        return frame.with_columns(beyond_chance=pl.col("copying").abs() > self.chance).sort("copying", descending=True)

    def drawing(self) -> Drawing:
        """The scores of all heads, and the eigenvalues of those that copy most and least."""
        grid = head_grid(
            "Which heads raise the tokens that they look at?", "copying score", self.values, limit=1.0, zero="as much raised as lowered",
            note=f"By chance the best head reaches {self.chance:.2f}. {NOTE}",
        )  # fmt: skip
        order = self.to_frame()["head"].to_list()
        points = []
        for head in dict.fromkeys([*order[:2], *order[-2:]]):
            layer, number = map(int, head.split("."))
            own = self.eigenvalues[layer, number]
            points.append(Points(f"{head}: {float(self.values[layer, number]):+.2f}", (own[:, 0]).tolist(), own[:, 1].tolist()))
        plane = scatter("Where do their eigenvalues lie?", "real part", "imaginary part", points, note=NOTE)
        return tabs("Which heads raise the tokens that they look at?", [("heads", grid), ("eigenvalues", plane)])


def copying_scores(model: Model, draws: int = 20, seed: int = 0, progress: bool = False) -> CopyingScores:
    """Score how much each head raises the tokens that it looks at.

    Arguments:
        model: a causal language model of a known family.
        draws: how often the control is drawn.
        seed: of the control.
        progress: show it in a terminal.

    Raises:
        SiteUnavailable: heads that have no maps of their own, or no unembedding. InputError: fewer than 20 draws.
    """
    refuse_without_direct_path(model)
    if draws < 20:
        raise InputError(f"draws={shown(draws)}: take at least 20, of which one in twenty is chance")
    E, U = embedding(model).factors[0], unembedding(model)
    E = E - E.mean(0)
    generator = torch.Generator().manual_seed(seed)
    orders = [torch.arange(len(E)), *(torch.randperm(len(E), generator=generator) for _ in range(draws))]
    heads = [ov(model, layer) for layer in range(model.n_layers)]
    found = []
    for order in track(orders, "reading heads", shown=progress):
        through = LinearMap(((U @ LinearMap((E[order],))).dense(),))
        found.append(torch.stack([(head @ through).eigenvalues() for head in heads]))
    values = torch.stack(found)
    scores = (values.real.sum(-1) / values.abs().sum(-1).clamp(min=1e-12)).float()
    return CopyingScores(
        values=scores[0],
        eigenvalues=torch.view_as_real(values[0]).float(),
        shuffled=scores[1:],
        chance=float(chance_of_any(scores[1:])),
        recipe=Recipe.of("sonde.weights.copying_scores", {"draws": draws}, model_hash=model.hash, inputs=[], seed=seed),
    )
