"""Attention and logit effect of every head on one text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from sonde.results import Drawing, InputError, Result
from sonde.results.drawing import beside, head_grid, matrix, tabs, tokens

if TYPE_CHECKING:
    from polars import DataFrame

UNIT = "logits of the next token, over the mean of all tokens"


@dataclass(frozen=True, eq=False, repr=False)
class HeadEffects(Result):
    """Where every head looks in a text, and what each place that it looks at does to the next token.

    Arguments:
        tokens: of the text.
        wanted: at each place the token that comes next, whose logit is meant; the last one is the target.
        patterns: the attention.
        effects: what each head adds straight to the logit of the wanted token at the query, by looking at the key.
    """

    tokens: list[str]
    wanted: list[str]
    patterns: Float[Tensor, "layer head query key"]
    effects: Float[Tensor, "layer head query key"]

    @property
    def heads(self) -> list[str]:
        """All heads: "0.0", "0.1", ..."""
        return [f"{layer}.{head}" for layer in range(self.effects.shape[0]) for head in range(self.effects.shape[1])]

    def strongest(self, most: int = 6, place: int | None = -1) -> list[str]:
        """The heads that do most to the next token, whatever the sign.

        Arguments:
            most: how many.
            place: of the token that looks; `None` for all places together.
        """
        effects = self.effects.sum(-1).flatten(0, 1)
        sizes = effects.abs().mean(-1) if place is None else effects[:, self._place(place)].abs()
        return [self.heads[i] for i in sizes.argsort(descending=True).tolist()[:most]]

    def to_frame(self) -> "DataFrame":
        """One row per head, token that looks, and token that is looked at; those that no head can look at are left out."""
        import polars as pl

        seen = (self.patterns != 0).flatten(0, 1).any(0).nonzero().tolist()
        columns = {
            "head": [head for head in self.heads for _ in seen],
            "query": [query for query, _ in seen] * len(self.heads),
            "query_token": [self.tokens[query] for query, _ in seen] * len(self.heads),
            "next": [self.wanted[query] for query, _ in seen] * len(self.heads),
            "key": [key for _, key in seen] * len(self.heads),
            "key_token": [self.tokens[key] for _, key in seen] * len(self.heads),
        }
        queries, keys = ([pair[i] for pair in seen] for i in (0, 1))
        columns |= {name: values[:, :, queries, keys].flatten().tolist() for name, values in (("attention", self.patterns), ("effect", self.effects))}
        return pl.DataFrame(columns)

    def drawing(self) -> Drawing:
        """The heads that do most to the last token, each behind a tab: where it looks beside what that does."""
        return self.pages(self.strongest())

    def pages(self, heads: Sequence[str]) -> Drawing:
        """Some heads, each behind a tab.

        Arguments:
            heads: "1.2", "1.3", ...

        Raises:
            InputError: no such head.
        """
        return tabs("Where do the heads look, and what does it do?", [(head, self.head_page(head)) for head in heads])

    def head_page(self, head: str) -> Drawing:
        """One head: where each token looks, beside what that does to the token that comes next.

        Arguments:
            head: "1.2".

        Raises:
            InputError: no such head.
        """
        layer, number = self._parts(head)
        labels = [f"{place} {token}" for place, token in enumerate(self.tokens)]
        rows = [f"{label} → {following}" for label, following in zip(labels, self.wanted, strict=True)]
        looks = matrix(
            f"Where does head {head} look?", "attention weight", self.patterns[layer, number], row_name="from, and what comes next", rows=rows,
            col_name="to", cols=labels, scale="sequential", limit=1.0, zero="not looked at",
        )  # fmt: skip
        does = matrix(
            "What does it do to the next token?", UNIT, self.effects[layer, number], row_name="from, and what comes next", rows=rows, col_name="to",
            cols=labels,
        )  # fmt: skip
        return beside(f"Head {head}", [("attention", looks), ("logit effect", does)])

    def at_place(self, head: str, place: int = -1) -> Drawing:
        """One token that looks: the text coloured by where it looks, beside the text coloured by what that does to the token that comes next.

        Arguments:
            head: "1.2".
            place: of the token that looks.

        Raises:
            InputError: no such head or place.
        """
        layer, number = self._parts(head)
        query = self._place(place)
        at, following = repr(self.tokens[query]), repr(self.wanted[query])
        looks = tokens(
            f"Where does {at} look by head {head}?", "attention weight", self.tokens, self.patterns[layer, number, query], scale="sequential",
            limit=1.0, zero="not looked at",
        )  # fmt: skip
        does = tokens(f"How does that change {following}?", UNIT, self.tokens, self.effects[layer, number, query])
        return beside(f"Head {head} at {at}", [("attention", looks), ("logit effect", does)])

    def grid(self, place: int = -1) -> Drawing:
        """What every head does to one token altogether; a click opens where it looks.

        Arguments:
            place: of the token before it.
        """
        query = self._place(place)
        return head_grid(
            f"Which heads raise or lower {self.wanted[query]!r} after {self.tokens[query]!r}?", UNIT, self.effects[:, :, query].sum(-1),
            patterns=self.patterns, tokens=self.tokens,
        )  # fmt: skip

    def _place(self, place: int) -> int:
        if not -len(self.tokens) <= place < len(self.tokens):
            raise InputError(f"there is no place {place} in {len(self.tokens)} tokens: give one of 0 to {len(self.tokens) - 1}, or -1 for the last")
        return place % len(self.tokens)

    def _parts(self, head: str) -> tuple[int, int]:
        if head not in self.heads:
            raise InputError(f"there is no head {head!r}: give one of {self.heads[0]} to {self.heads[-1]}")
        layer, number = map(int, head.split("."))
        return layer, number
