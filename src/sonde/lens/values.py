"""What does each neuron of an MLP promote? Its value vector on the vocabulary, beside the same vector with its entries shuffled.

A list of top tokens can be made of any vector, and people find sense in many of them. So each vector gets a score, the mean cosine of its k best
tokens with it, and the same score is taken of vectors with the same entries in another order: they have lost their relation to the unembedding and
nothing else. A vector stands out where its score is rarer than chance allows among all that were looked at (Benjamini and Hochberg 1995).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Model
from sonde.evidence import compare, corrected
from sonde.jobs import track
from sonde.lens.vectors import directions, value_matrices, vocabulary
from sonde.results import Drawing, InputError, Recipe, Result, Verdict, shown
from sonde.results.drawing import Series, lines, table, tabs

if TYPE_CHECKING:
    from polars import DataFrame

TOGETHER = 512  # vectors that are read at a time
RATE = 0.05  # of false discoveries
MEASURE = "share of the block's neurons whose best tokens lie closer to their vector than chance allows; control: vectors with entries shuffled"
SOURCE = "the share of false discoveries that is allowed"


@dataclass(frozen=True, eq=False, repr=False)
class ValueVectors(Result):
    """Every neuron's vector on the vocabulary.

    Arguments:
        layers: the blocks that were looked at.
        promotes: the ids of the tokens closest to a vector, the closest first: what a positive coefficient raises.
        opposes: those farthest from it: what a negative coefficient raises.
        score: the mean cosine of the tokens in `promotes` with the vector.
        null: the same of shuffled vectors.
        adjusted: the p-value of each score among the shuffled ones, corrected for how many vectors were looked at.
        norm: the length of each vector.
        shuffled: what shuffled vectors promote: one for each neuron.
        names: the text of the tokens by id.
    """

    layers: list[int]
    promotes: Int[Tensor, "layer neuron k"]
    opposes: Int[Tensor, "layer neuron k"]
    score: Float[Tensor, "layer neuron"]
    null: Float[Tensor, "draw layer neuron"]
    adjusted: Float[Tensor, "layer neuron"]
    norm: Float[Tensor, "layer neuron"]
    shuffled: Int[Tensor, "layer neuron k"]
    names: dict[str, str]

    @property
    def stand_out(self) -> dict[int, list[int]]:
        """By block the neurons that stand out, the clearest first."""
        found = {}
        for i, layer in enumerate(self.layers):
            order = self.score[i].argsort(descending=True).tolist()
            found[layer] = [neuron for neuron in order if self.adjusted[i, neuron] <= RATE]
        return found

    def tokens(self, layer: int, neuron: int, sign: int = 1) -> list[str]:
        """What a neuron promotes (or, with `sign=-1`, opposes).

        Arguments:
            layer: the block.
            neuron: its number.
            sign: of the coefficient.

        Raises:
            InputError: no such neuron here.
        """
        if layer not in self.layers or not 0 <= neuron < self.score.shape[1]:
            raise InputError(f"neuron {shown(neuron)} of block {shown(layer)}: there are blocks {self.layers} of {self.score.shape[1]} neurons")
        ids = self.promotes if sign > 0 else self.opposes
        return [self.names[str(i)] for i in ids[self.layers.index(layer), neuron].tolist()]

    def to_frame(self) -> "DataFrame":
        """One row for each neuron."""
        import polars as pl

        places = [(layer, neuron) for layer in self.layers for neuron in range(self.score.shape[1])]
        return pl.DataFrame(
            {
                "layer": [layer for layer, _ in places], "neuron": [neuron for _, neuron in places], "score": self.score.flatten().tolist(),
                "adjusted": self.adjusted.flatten().tolist(), "norm": self.norm.flatten().tolist(),
                "promotes": [self.tokens(*place) for place in places], "opposes": [self.tokens(*place, sign=-1) for place in places],
            }
        )  # fmt: skip

    def drawing(self) -> Drawing:
        """The clearest vectors, and how many stand out in each block."""
        clearest = self.to_frame().sort("score", descending=True).head(24)
        rows = [
            [f"{row['layer']}.{row['neuron']}", row["score"], row["adjusted"], " ".join(row["promotes"][:8]), " ".join(row["opposes"][:4])]
            for row in clearest.to_dicts()
        ]
        heads = ["neuron", "score", "p, corrected", "promotes", "opposes"]
        spread = [Series(name, values) for name, values in (("value vectors", self.score.mean(1)), ("entries shuffled", self.null.mean((0, 2))))]
        share = [Series("value vectors", (self.adjusted <= RATE).float().mean(1)), Series("entries shuffled", self._passing(self.null).mean((0, 2)))]
        return tabs(
            "What do neurons promote?",
            [
                ("clearest", table("Which value vectors are closest to their tokens?", heads, rows)),
                ("share", lines("How many stand out?", "share of the neurons", "block", self.layers, share)),
                ("score", lines("How close are the best tokens?", "mean cosine", "block", self.layers, spread)),
            ],
        )  # fmt: skip

    def check(self, model: Model) -> list[Verdict]:  # type: ignore[override]
        """Whether more neurons of each block stand out than shuffled ones do.

        Arguments:
            model: the one whose weights were read.

        Raises:
            CheckRefused: another model.
        """
        self.refuse_other(model)
        return corrected(
            [
                compare(
                    f"Neurons of block {layer} promote tokens that belong together in the unembedding.", MEASURE,
                    (self.adjusted[i] <= RATE).float(), self._passing(self.null[:, i]), threshold=RATE, threshold_source=SOURCE,
                )
                for i, layer in enumerate(self.layers)
            ]
        )  # fmt: skip

    def _passing(self, scores: Tensor) -> Tensor:
        """Which scores are as high as the lowest of those that stand out."""
        found = self.score[self.adjusted <= RATE]
        return (scores >= found.min()).float() if len(found) else torch.zeros_like(scores)


def value_vectors(
    model: Model, layers: Sequence[int] | None = None, k: int = 10, draws: int = 3, seed: int = 0, progress: bool = False
) -> ValueVectors:  # fmt: skip
    """Read every neuron's value vector on the vocabulary.

    Arguments:
        model: a language model of a known family whose MLPs add to the stream.
        layers: the blocks to look at; all by default.
        k: tokens that are kept of each vector.
        draws: how often the entries of each vector are shuffled.
        seed: of the shuffles.
        progress: show a progress bar in a terminal.

    Raises:
        SiteUnavailable: a family in which a neuron has no vector of its own. InputError: no such block, no draws.

    >>> import sonde
    >>> found = value_vectors(sonde.load("specimen:words"), layers=[3], k=5)
    >>> found.promotes.shape
    torch.Size([1, 512, 5])
    """
    chosen = list(range(model.n_layers)) if layers is None else list(layers)
    if not chosen or any(isinstance(i, bool) or i not in range(model.n_layers) for i in chosen):
        raise InputError(f"layers={shown(layers)}: {model.name} has the blocks 0 to {model.n_layers - 1}")
    if draws < 2 or k < 1:
        raise InputError(f"draws={draws}, k={k}: shuffle at least twice, and keep at least one token")
    values, _ = value_matrices(model, chosen)
    tokens = vocabulary(model)
    generator = torch.Generator().manual_seed(seed)
    size = values.shape[1]
    blocks = [(i, draw) for i in range(len(chosen)) for draw in range(draws + 1)]
    read: dict[tuple[int, int], tuple[Tensor, Tensor, Tensor]] = {}
    for i, draw in track(blocks, "reading value vectors", shown=progress):
        seen = directions(model, values[i])
        if draw:
            orders = torch.rand(seen.shape, generator=generator).argsort(-1)
            seen = seen.gather(1, orders.to(seen.device))
        read[i, draw] = _ends(seen, tokens, k)
    score, null = (
        torch.stack([read[i, 0][0] for i in range(len(chosen))]),
        torch.stack([torch.stack([read[i, draw][0] for i in range(len(chosen))]) for draw in range(1, draws + 1)]),
    )
    promotes, opposes = (torch.stack([read[i, 0][end] for i in range(len(chosen))]) for end in (1, 2))
    shuffled = torch.stack([read[i, 1][1] for i in range(len(chosen))])
    return ValueVectors(
        layers=chosen,
        promotes=promotes,
        opposes=opposes,
        score=score,
        null=null,
        adjusted=adjusted(score, null),
        norm=values.norm(dim=-1),
        shuffled=shuffled,
        names=_names(model, promotes, opposes, shuffled),
        recipe=Recipe.of(
            "sonde.lens.value_vectors", {"layers": chosen, "k": k, "draws": draws}, model_hash=model.hash, inputs=[size, chosen], seed=seed
        ),
    )


def adjusted(score: Float[Tensor, "*neuron"], null: Float[Tensor, "draw *neuron"]) -> Float[Tensor, "*neuron"]:
    """The share of shuffled scores that are as high, of each score, corrected for how many scores there are.

    Arguments:
        score: of the vectors.
        null: of shuffled ones, pooled.
    """
    from scipy.stats import false_discovery_control

    pooled = null.flatten().sort().values
    as_high = len(pooled) - torch.searchsorted(pooled, score.flatten().contiguous())
    p = (1 + as_high.double()) / (1 + len(pooled))
    return torch.from_numpy(false_discovery_control(p.numpy())).view(score.shape).float()


def _ends(seen: Float[Tensor, "vector d_read"], tokens: Float[Tensor, "d_read vocab"], k: int) -> tuple[Tensor, Tensor, Tensor]:
    """The score, and the tokens at both ends."""
    parts = []
    for start in range(0, len(seen), TOGETHER):
        cosines = seen[start : start + TOGETHER] @ tokens
        best, worst = cosines.topk(min(k, cosines.shape[1])), cosines.topk(min(k, cosines.shape[1]), largest=False)
        parts.append((best.values.mean(-1).cpu(), best.indices.cpu(), worst.indices.cpu()))
    score, promotes, opposes = (torch.cat(column) for column in zip(*parts, strict=True))
    return score, promotes, opposes


def _names(model: Model, *ids: Tensor) -> dict[str, str]:
    """The text of the tokens by id; keys are texts, as they are in a file."""
    distinct = torch.cat([one.flatten() for one in ids]).unique().tolist()
    texts = model.tokenizer.strings(distinct) if model.tokenizer else [str(i) for i in distinct]
    return {str(i): text for i, text in zip(distinct, texts, strict=True)}
