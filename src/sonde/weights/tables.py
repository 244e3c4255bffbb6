"""The bigram table as a result: beside the bigrams of a text, and held against a shuffled one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.access import Model
from sonde.evidence import compare, untestable
from sonde.results import Drawing, InputError, Result, Verdict, shown
from sonde.results.drawing import bars, table, tabs

if TYPE_CHECKING:
    from polars import DataFrame

MEASURE = "loss on the next token, nats per token; control: the same table with the rows of the tokens that occur shuffled"
SHOWN = 40
NOTE = "The direct path alone: embedding, final norm, unembedding; positions left out."


@dataclass(frozen=True, eq=False, repr=False)
class Bigrams(Result):
    """Which token the direct path puts after which, and what a text has there.

    Arguments:
        tokens: the text of each token.
        top: for each token the next ones that the table holds likeliest.
        probability: how likely.
        pairs: the pairs of neighbours in the text, sorted; none without a text.
        counts: how often each occurs.
        log_probability: what the table tells of each, in nats.
        losses: of each row of the text the mean loss by the table, nats per token.
        shuffled: the same with the rows of the table shuffled.
    """

    tokens: list[str]
    top: Int[Tensor, "token k"]
    probability: Float[Tensor, "token k"]
    pairs: Int[Tensor, "pair 2"]
    counts: Int[Tensor, " pair"]
    log_probability: Float[Tensor, " pair"]
    losses: Float[Tensor, " row"]
    shuffled: Float[Tensor, "draw row"]

    def after(self, token: str) -> list[tuple[str, float]]:
        """What the table puts after a token: the likeliest next tokens, each with its probability.

        Arguments:
            token: its text, leading space included.

        Raises:
            InputError: no token of this text.
        """
        if token not in self.tokens:
            near = [known for known in self.tokens if known.strip() == token.strip()]
            raise InputError(f"{shown(token)} is no token of this model{f'; {shown(near[0])} is' if near else ''}")
        row = self.tokens.index(token)
        return [(self.tokens[i], p) for i, p in zip(self.top[row].tolist(), self.probability[row].tolist(), strict=True)]

    @property
    def entropy(self) -> dict[str, float]:
        """What a text's own frequencies would cost, in nats per token: of single tokens, and of bigrams (told of the text itself).

        Raises:
            InputError: the table was made without a text.
        """
        self._refuse_without_text()
        n = self.counts.sum().double()
        second, first = (torch.zeros(len(self.tokens)).double().index_add_(0, self.pairs[:, i], self.counts.double()) for i in (1, 0))
        single = -(second[second > 0] / n).log() @ (second[second > 0] / n)
        pair = -(self.counts / first[self.pairs[:, 0]]).log() @ (self.counts / n)
        return {"single tokens": float(single), "bigrams": float(pair)}

    @property
    def loss(self) -> float:
        """The table's loss on the text, nats per token; less the entropy of bigrams it is the mean divergence from them."""
        self._refuse_without_text()
        return float(-(self.log_probability.double() @ self.counts.double()) / self.counts.sum())

    @property
    def agreement(self) -> float:
        """How often the table's likeliest next token is the text's commonest one, weighed by how often the first token occurs."""
        frame = self.to_frame()
        agreeing = frame.filter(frame["commonest"] == frame["likeliest"])["count"].sum()
        return int(agreeing) / int(self.counts.sum())

    def to_frame(self) -> "DataFrame":
        """One row per token; with a text those that occur in it, the commonest first."""
        import polars as pl

        first = self.top[:, 0].tolist()
        likeliest = {"token": self.tokens, "likeliest": [self.tokens[i] for i in first], "probability": self.probability[:, 0].tolist()}
        every = pl.DataFrame(likeliest).with_row_index("id")
        if not len(self.pairs):
            return every
        pairs = {"id": self.pairs[:, 0].tolist(), "next": self.pairs[:, 1].tolist(), "n": self.counts.tolist(), "log": self.log_probability.tolist()}
        said = pl.DataFrame(pairs, schema_overrides={"id": pl.UInt32}).sort("id", "n", "next", descending=[False, True, False])
        share = pl.col("n") / pl.col("n").sum()
        by_token = said.group_by("id", maintain_order=True).agg(
            count=pl.col("n").sum(), commonest=pl.col("next").first(), share=share.first(), kl=(share * (share.log() - pl.col("log"))).sum()
        )
        named = by_token.with_columns(pl.col("commonest").map_elements(lambda i: self.tokens[i], return_dtype=pl.String))
        return every.join(named, on="id").sort("count", "id", descending=[True, False])

    def drawing(self) -> Drawing:
        """The table; with a text beside what is said in it, and the losses."""
        if not len(self.pairs):
            return self.table()
        entropy = self.entropy
        names = ["the table", "the table, rows shuffled", "frequencies of single tokens", "the text's own bigrams"]
        losses = [self.loss, float(self.shuffled.mean()), entropy["single tokens"], entropy["bigrams"]]
        shown_losses = bars("How well does the table foresee the text?", "nats per token", names, losses, zero="always foreseen", note=NOTE)
        return tabs("What does the direct path predict?", [("table", self.table()), ("loss", shown_losses)])

    def table(self, most: int = SHOWN) -> Drawing:
        """The tokens with what follows them: in a text the commonest ones, else the first.

        Arguments:
            most: how many tokens at most.
        """
        frame = self.to_frame()
        rows = []
        for one in frame.head(most).to_dicts():
            own = zip(self.top[one["id"]].tolist(), self.probability[one["id"]].tolist(), strict=True)
            told = [self.tokens[one["id"]], ", ".join(f"{self.tokens[i]!r} {p:.2f}" for i, p in list(own)[:4])]
            rows.append([*told, f"{one['commonest']!r} {one['share']:.2f}", one["count"], round(one["kl"], 3)] if "count" in one else told)
        columns = ["token", "the table: next"] + (["the text: next", "times in the text", "divergence, nats"] if len(self.pairs) else [])
        more = f" {frame.height - most:,} more tokens." if frame.height > most else ""
        return table("Which token follows which, by the direct path?", columns, rows, note=f"{NOTE}{more}")

    def check(self, model: Model) -> list[Verdict]:
        """Whether the direct path knows which token follows which: better than shuffled, and better than how often tokens occur.

        Arguments:
            model: the model that was read.
        """
        self.refuse_other(model)
        claim, source = "The direct path knows which token follows which.", "what the frequencies of single tokens cost"
        if not len(self.pairs):
            return [untestable(claim, MEASURE, "there is no text to test it on", direction="less", threshold=0.0, threshold_source=source)]
        return [
            compare(
                claim, MEASURE, self.losses, self.shuffled, direction="less", threshold=self.entropy["single tokens"], threshold_source=source
            )
        ]  # fmt: skip

    def _refuse_without_text(self) -> None:
        if not len(self.pairs):
            raise InputError("this table was made without a text: give bigrams(model, texts) some")
