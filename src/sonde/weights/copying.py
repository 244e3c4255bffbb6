"""Do heads raise the tokens that they look at? Told by the eigenvalues of the map from tokens to tokens.

Of a head's full OV circuit M = E V O U, an eigenvalue is positive where a mixture of tokens raises itself (Elhage et al. 2021):

    score = sum Re(lambda) / sum |lambda|        1: every mixture raises itself, -1: it lowers itself

over all tokens of the vocabulary, each embedding less the mean embedding. The eigenvalues that are not zero are those of the small matrix O U E V. By
chance: the same with the unembedding's tokens shuffled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Complex, Float, Int
from torch import Tensor

from sonde.access import Model
from sonde.evidence import compare, corrected
from sonde.jobs import track
from sonde.nn import permuted
from sonde.results import Drawing, InputError, Recipe, Result, Verdict, shown
from sonde.results.drawing import Points, head_grid, scatter, tabs
from sonde.weights.bigrams import refuse_without_direct_path
from sonde.weights.linear import LinearMap
from sonde.weights.maps import embedding, ov, unembedding
from sonde.weights.results import chance_of_any

if TYPE_CHECKING:
    from polars import DataFrame

GROUPS = 8  # as few examples as a verdict takes
LEAST = 0.5  # a convention
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

    def check(self, model: Model, networks: int = 3, seed: int = 0, progress: bool = False) -> list[Verdict]:
        """Whether the heads that copy, or suppress, do it within eight groups of tokens, more than any head of the same network that learnt nothing.

        Arguments:
            model: the model that was read.
            networks: how often its weights are permuted; all heads of all of these networks are the control.
            seed: of groups and permutations.
            progress: show it in a terminal.
        """
        self.refuse_other(model)
        order = torch.randperm(model.architecture.d_vocab, generator=torch.Generator().manual_seed(seed))
        groups = [(group, group) for group in order.tensor_split(GROUPS)]
        own = _share(_eigenvalues(model, groups))
        controls = []
        for draw in track(range(networks), "networks with permuted weights", shown=progress):
            broken = Model(permuted(model.module, seed + draw), model.tokenizer, f"{model.name}, weights permuted", model.processor)
            controls.append(_share(_eigenvalues(broken, groups)).flatten(1).T)
        control, measure = torch.cat(controls), "eigenvalues, positive less negative share, by group of tokens; control: heads with permuted weights"
        found = []
        for layer, head in ((self.values.abs() >= LEAST) & (self.values.abs() > self.chance)).nonzero().tolist():
            sign = 1 if self.values[layer, head] > 0 else -1
            claim = f"Head {layer}.{head} {'raises' if sign > 0 else 'lowers'} the tokens that it looks at."
            source = "a convention"
            found.append(
                compare(claim, measure, sign * own[:, layer, head], sign * control, threshold=LEAST, threshold_source=source, exceeding="draw")
            )
        return corrected(found)


def _eigenvalues(
    model: Model, pairs: Sequence[tuple[Int[Tensor, " token"], Int[Tensor, " token"]]], progress: bool = False
) -> Complex[Tensor, "pair layer head rank"]:
    """Of every head's map from some tokens to others, which count as the same: looked at, and raised."""
    E, U = embedding(model).factors[0], unembedding(model)
    *before, last = U.factors
    heads = [ov(model, layer) for layer in range(model.n_layers)]
    found = []
    for looked_at, raised in track(pairs, "reading heads", shown=progress):
        own = E[looked_at]
        through = LinearMap(((LinearMap((*before, last[:, raised])) @ LinearMap((own - own.mean(0),))).dense(),))
        found.append(torch.stack([(head @ through).eigenvalues() for head in heads]))
    return torch.stack(found)


def _share(values: Complex[Tensor, "*head rank"]) -> Float[Tensor, "*head"]:
    """The positive share of eigenvalues less the negative one."""
    return (values.real.sum(-1) / values.abs().sum(-1).clamp(min=1e-12)).float()


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
    n, generator = model.architecture.d_vocab, torch.Generator().manual_seed(seed)
    every = torch.arange(n)
    orders = [every, *(torch.randperm(n, generator=generator) for _ in range(draws))]
    values = _eigenvalues(model, [(order, every) for order in orders], progress)
    scores = _share(values)
    return CopyingScores(
        values=scores[0],
        eigenvalues=torch.view_as_real(values[0]).float(),
        shuffled=scores[1:],
        chance=float(chance_of_any(scores[1:])),
        recipe=Recipe.of("sonde.weights.copying_scores", {"draws": draws}, model_hash=model.hash, inputs=[], seed=seed),
    )
