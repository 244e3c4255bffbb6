"""Does it matter which word has which weight? Weights are shuffled among a text's words, and the output is looked at.

The median over shuffles of TVD(y, y shuffled), beside the largest weight (Jain and Wallace 2019, section 4.2.1). Where a large weight is shuffled
away and the output stays, the weight did not say what the output rests on.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.attribution.attention.bins import by_largest
from sonde.attribution.attention.classifier import Attended, AttentionClassifier
from sonde.attribution.attention.distances import tvd
from sonde.attribution.attention.texts import Texts
from sonde.evidence import compare
from sonde.results import Drawing, InputError, Recipe, Result, Verdict

if TYPE_CHECKING:
    from polars import DataFrame

CHUNK = 64  # texts whose shuffles are held at once


@dataclass(frozen=True, eq=False, repr=False)
class AttentionPermutation(Result):
    """How far the output moves when the weights are shuffled.

    Arguments:
        moved: the median TVD over shuffles of all weights.
        kept_largest: the same where the largest weight stays at its word, and only the others are shuffled.
        uniform: the TVD where every word gets the same weight.
        largest: the largest weight of each text.
        lengths: words of each text.
        predicted: the class that the model gives each text.
        classes: the names of the classes.
    """

    moved: Float[Tensor, " text"]
    kept_largest: Float[Tensor, " text"]
    uniform: Float[Tensor, " text"]
    largest: Float[Tensor, " text"]
    lengths: Int[Tensor, " text"]
    predicted: Int[Tensor, " text"]
    classes: tuple[str, ...]

    def to_frame(self) -> "DataFrame":
        """One row per text."""
        import polars as pl

        columns = {
            "text": [*range(len(self.moved))],
            "class": [self.classes[i] for i in self.predicted.tolist()],
            "length": self.lengths.tolist(),
            "largest": self.largest.tolist(),
            "moved": self.moved.tolist(),
            "kept_largest": self.kept_largest.tolist(),
            "uniform": self.uniform.tolist(),
        }
        return pl.DataFrame(columns)

    def drawing(self) -> Drawing:
        """How far the output moves, by the largest weight: as violins."""
        same = float(self.uniform.median())
        return by_largest(
            "Does the output move when the weights are shuffled?",
            "median TVD of the outputs",
            self.moved,
            self.largest,
            note=f"With the same weight on every word the output moves by {same:.3g} (median). Shuffles of nearly equal weights say nothing.",
        )

    def check(self, model: AttentionClassifier) -> list[Verdict]:
        """Test whether the place of the largest weight decides: shuffles of all weights beside shuffles that leave it where it is.

        Arguments:
            model: the classifier.

        Raises:
            CheckRefused: the result was computed on another model.
        """
        self.refuse_other(model)
        return [
            compare(
                "The output rests on the word with the largest weight.",
                "median TVD of the output when weights are shuffled",
                self.moved,
                self.kept_largest,
                threshold=0.1,
                threshold_source="a tenth of probability: a convention",
            )
        ]


def permutation(model: AttentionClassifier, texts: Texts, draws: int = 100, seed: int = 0) -> AttentionPermutation:
    """Shuffle the weights of every text among its words.

    Arguments:
        model: the classifier.
        texts: the texts to look at.
        draws: shuffles for each text.
        seed: of the shuffles.

    Raises:
        InputError: no draws.
    """
    if draws < 1:
        raise InputError(f"draws={draws}: give 1 or more")
    attended = model.attend(texts)
    generator = torch.Generator().manual_seed(seed)
    moved, kept = [], []
    for part in torch.arange(len(texts)).split(CHUNK):
        orders = shuffles(attended.mask[part], draws, generator)
        moved.append(_moved(attended, part, orders))
        kept.append(_moved(attended, part, with_largest(orders, attended.weights[part])))
    recipe = Recipe.of("sonde.attribution.attention.permutation", {"draws": draws}, model_hash=model.hash, inputs=texts.hash, seed=seed)
    return AttentionPermutation(
        moved=torch.cat(moved),
        kept_largest=torch.cat(kept),
        uniform=tvd(attended.probabilities, attended.under(attended.uniform[:, None])[:, 0]),
        largest=attended.weights.max(1).values,
        lengths=attended.mask.sum(1),
        predicted=attended.predicted,
        classes=model.config.classes,
        recipe=recipe,
    )


def shuffles(mask: Bool[Tensor, "row pos"], draws: int, generator: torch.Generator) -> Int[Tensor, "row draw pos"]:
    """Orders of the words of each text; padding stays where it is, and how far a text is padded does not change its draws.

    Arguments:
        mask: true where there is a word.
        draws: orders for each text.
        generator: what they are drawn with.
    """
    orders = torch.arange(mask.shape[1]).expand(len(mask), draws, -1).clone()
    for order, real in zip(orders, mask, strict=True):
        places = real.nonzero().flatten()
        order[:, places] = places[torch.rand(draws, len(places), generator=generator).argsort(-1)]
    return orders


def with_largest(orders: Int[Tensor, "row draw pos"], weights: Float[Tensor, "row pos"]) -> Int[Tensor, "row draw pos"]:
    """The orders, with the word of the largest weight put back in its place, in exchange for the one that stood there."""
    largest = weights.argmax(-1)[:, None, None]
    stood = orders.gather(-1, largest.expand(-1, orders.shape[1], 1))
    return torch.where(orders == largest, stood, orders).scatter(-1, largest.expand(-1, orders.shape[1], 1), largest.expand(-1, orders.shape[1], 1))


def _moved(attended: Attended, part: Int[Tensor, " part"], orders: Int[Tensor, "part draw pos"]) -> Float[Tensor, " part"]:
    """The median TVD over the orders, with the votes of the texts of this part."""
    weights = attended.weights[part][:, None].expand(-1, orders.shape[1], -1).gather(-1, orders)
    outputs = (weights @ attended.votes[part] + attended.bias).softmax(-1)
    return tvd(outputs, attended.probabilities[part][:, None]).median(-1).values
