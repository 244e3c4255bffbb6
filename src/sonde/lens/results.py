"""What a lens returns: one reading for each layer, example and position."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.lens.bands import banded
from sonde.results import Drawing, InputError, Result, shown
from sonde.results.drawing import Series, lens, lines, tabs

if TYPE_CHECKING:
    from polars import DataFrame

Colour = Literal["probability", "logit", "rank", "kl", "entropy"]
COLOURS: dict[Colour, str] = {
    "probability": "probability of the token shown",
    "logit": "logit of the token shown, above the least one in the table",
    "rank": "log10 of the rank of the model's own final token (0: it stands first)",
    "kl": "nats, KL(final || layer)",
    "entropy": "bits, entropy of the reading",
}
TITLES = {
    "blocks": "What would each layer say next?",
    "halves": "What would each half of a layer say next?",
    "attention": "What does the attention of each block say by itself?",
    "mlp": "What does the MLP of each block say by itself?",
}


@dataclass(frozen=True, eq=False, repr=False)
class LensResult(Result):
    """What each layer would say at each position. A row's positions are its real tokens; what lies beyond them is NaN, of ids and ranks 0.

    Arguments:
        tokens: the text of each row's tokens.
        layers: a name for each reading: `embed`, then each block; the last is the model itself.
        mask: true at real tokens.
        top: the ids of the most likely tokens, most likely first.
        top_tokens: their text, by layer, example and position.
        probability, logit: of the tokens in `top`.
        rank: of the model's final top token, from 1.
        input_rank: of the token that stands at the position itself, from 1: how much the reading still echoes the input.
        next_rank: of the token that comes next in the text, from 1; 0 where none comes, and in models that do not write from left to right.
        cross_entropy: of the token that comes next, in nats; NaN where none comes.
        kl: KL(final || layer) in nats: what is lost by reading here instead of at the end.
        kl_previous: KL(layer || the layer before) in nats: how much a layer changed the reading; NaN in the first.
        entropy: of the reading, in bits.
        final: the id of the model's own top token.
        followed: the tokens whose course was asked for.
        followed_rank: their ranks, from 1.
        followed_logit: their logits.
        read: what the rows are: the stream after `blocks` or `halves` of them, or what each block's `attention` or `mlp` adds.
    """

    tokens: list[list[str]]
    layers: list[str]
    mask: Bool[Tensor, "example pos"]
    top: Int[Tensor, "layer example pos k"]
    top_tokens: list[list[list[list[str]]]]
    probability: Float[Tensor, "layer example pos k"]
    logit: Float[Tensor, "layer example pos k"]
    rank: Int[Tensor, "layer example pos"]
    input_rank: Int[Tensor, "layer example pos"]
    next_rank: Int[Tensor, "layer example pos"]
    cross_entropy: Float[Tensor, "layer example pos"]
    kl: Float[Tensor, "layer example pos"]
    kl_previous: Float[Tensor, "layer example pos"]
    entropy: Float[Tensor, "layer example pos"]
    final: Int[Tensor, "example pos"]
    followed: list[str]
    followed_rank: Int[Tensor, "layer example pos followed"]
    followed_logit: Float[Tensor, "layer example pos followed"]
    read: str

    def to_frame(self) -> "DataFrame":
        """One row per layer, example and position; ranks of what is not there are missing."""
        import polars as pl

        layers, examples, places = (self.mask.expand(len(self.layers), -1, -1)).nonzero(as_tuple=True)
        at = (layers, examples, places)
        where = list(zip(layers.tolist(), examples.tolist(), places.tolist(), strict=True))
        columns = {
            "layer": [self.layers[layer] for layer, _, _ in where], "example": examples.tolist(), "pos": places.tolist(),
            "token": [self.tokens[example][place] for _, example, place in where],
            "top": [self.top_tokens[layer][example][place][0] for layer, example, place in where],
            "probability": self.probability[..., 0][at].tolist(), "logit": self.logit[..., 0][at].tolist(),
            "rank_of_final": self.rank[at].tolist(), "rank_of_input": self.input_rank[at].tolist(),
            "rank_of_next": [rank or None for rank in self.next_rank[at].tolist()], "cross_entropy": self.cross_entropy[at].tolist(),
            "kl": self.kl[at].tolist(), "kl_previous": self.kl_previous[at].tolist(), "entropy": self.entropy[at].tolist(),
            **{f"rank_of {token!r}": self.followed_rank[..., i][at].tolist() for i, token in enumerate(self.followed)},
        }  # fmt: skip
        return pl.DataFrame(columns).with_columns(pl.col("cross_entropy", "kl_previous").fill_nan(None))

    def drawing(self, example: int = 0, colour: Colour = "probability") -> Drawing:
        """The table of one example, coloured by a measure: rows are layers, the last one is the model.

        A guess that is the model's own is bold, one that comes next in the text is underlined.

        Arguments:
            example: which row of the inputs.
            colour: by the probability or the logit of the token shown, by the rank of the model's own token,
                by KL(final || layer), or by the entropy of the reading.

        Raises:
            InputError: another colour, or an example that is not there.
        """
        if colour not in get_args(Colour):
            raise InputError(f"colour={shown(colour)}: use {', '.join(map(repr, get_args(Colour)))}")
        n = len(self._tokens(example))
        cells = [
            [list(zip(self.top_tokens[layer][example][pos], self.probability[layer, example, pos].tolist(), strict=True)) for pos in range(n)]
            for layer in range(len(self.layers))
        ]
        values = {
            "probability": self.probability[..., 0], "logit": self.logit[..., 0], "rank": self.rank.float().log10(), "kl": self.kl,
            "entropy": self.entropy,
        }  # fmt: skip
        shown_values = values[colour][:, example, :n]
        return lens(
            TITLES[self.read],
            COLOURS[colour],
            tokens=self.tokens[example],
            layers=self.layers,
            top=[[cell[0][0] for cell in row] for row in cells],
            values=shown_values - shown_values.min() if colour == "logit" else shown_values,
            marks=(self.top[:, example, :n, 0] == self.final[example, :n]).tolist(),
            true=(self.next_rank[:, example, :n] == 1).tolist(),
            details=cells,
            limit=1.0 if colour == "probability" else None,
        )

    def drawings(self, example: int = 0) -> Drawing:
        """The table by each of its colours, behind tabs; in a terminal it is printed once, with all measures of the last position under it.

        Arguments:
            example: which row of the inputs.
        """
        return tabs(TITLES[self.read], [(colour, self.drawing(example, colour)) for colour in get_args(Colour)])

    def kl_drawing(self, example: int = 0, pos: int = -1) -> Drawing:
        """How far each layer is from the final answer, and from the layer before it.

        Arguments:
            example: which row of the inputs.
            pos: a position, counted in real tokens; beside it stands the mean over all positions of all examples, with its interval over
                examples where there are several.
        """
        place = self._place(example, pos)
        series = [
            Series(f"after `{self.tokens[example][place]}`", self.kl[:, example, place]),
            self._mean(self.kl),
            Series(f"from the layer before, after `{self.tokens[example][place]}`", self.kl_previous[:, example, place]),
        ]
        note = "From the layer before: KL(layer || the layer before)."
        return lines("How far is each layer from the final answer?", "nats, KL(final || layer)", "layer", self.layers, series, note=note)

    def entropy_drawing(self, example: int = 0, pos: int = -1) -> Drawing:
        """How sure each layer would be.

        Arguments:
            example, pos: as for `kl_drawing`.
        """
        place = self._place(example, pos)
        series = [
            Series(f"after `{self.tokens[example][place]}`", self.entropy[:, example, place]),
            self._mean(self.entropy),
        ]
        return lines("How unsure would each layer be?", "bits, entropy", "layer", self.layers, series)

    def rank_drawing(self, example: int = 0, pos: int = -1) -> Drawing:
        """The course of some tokens through the ranks: the model's own final one, the input, the true next one, and those followed.

        Arguments:
            example, pos: as for `kl_drawing`.
        """
        place = self._place(example, pos)
        at = (slice(None), example, place)
        final = self.top_tokens[-1][example][place][0]
        courses = {f"the model's own, `{final}`": self.rank[at], f"the input, `{self.tokens[example][place]}`": self.input_rank[at]}
        if bool(self.next_rank[at].any()):
            courses[f"the next in the text, `{self.tokens[example][place + 1]}`"] = self.next_rank[at]
        courses |= {f"`{token}`": self.followed_rank[(*at, i)] for i, token in enumerate(self.followed[:5])}
        series = [Series(name, ranks.float().log10()) for name, ranks in courses.items()]
        return lines(
            f"Through which ranks do tokens go after `{self.tokens[example][place]}`?", "log10 of the rank (0: it stands first)", "layer",
            self.layers, series,
        )  # fmt: skip

    def courses(self, example: int = 0, pos: int = -1) -> Drawing:
        """Distance, entropy and ranks over the layers, behind tabs.

        Arguments:
            example, pos: as for `kl_drawing`.
        """
        parts = [("distance", self.kl_drawing(example, pos)), ("entropy", self.entropy_drawing(example, pos))]
        return tabs("How does the reading become the answer?", [*parts, ("ranks", self.rank_drawing(example, pos))])

    def _mean(self, values: Float[Tensor, "layer example pos"]) -> Series:
        """The mean over positions; with several examples, with its interval over them."""
        n = len(self.tokens)
        return banded("mean over the prompt" if n == 1 else f"mean over {n} prompts", values.nanmean(-1))

    def _tokens(self, example: int) -> list[str]:
        if not 0 <= example < len(self.tokens):
            raise InputError(f"example={shown(example)}: there are {len(self.tokens)}, counted from 0")
        return self.tokens[example]

    def _place(self, example: int, pos: int) -> int:
        n = len(self._tokens(example))
        if not -n <= pos < n:
            raise InputError(f"pos={shown(pos)}: example {example} has {n} tokens")
        return pos % n


LOG2 = math.log(2)


def placed(values: Tensor, mask: Bool[Tensor, "example pos"]) -> Tensor:
    """Values of the real tokens, one row after the other, on a grid (layer, example, pos, ...) whose rows begin with their first real token.

    Arguments:
        values: with axes (layer, token, ...).
        mask: true at real tokens, already moved to the front.
    """
    fill = math.nan if values.is_floating_point() else 0
    grid = torch.full((len(values), *mask.shape, *values.shape[2:]), fill, dtype=values.dtype)
    grid[:, mask] = values
    return grid
