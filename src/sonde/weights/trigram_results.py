"""Skip-trigrams as a result: a browser by head."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.evidence import compare
from sonde.jobs import track
from sonde.nn import permuted
from sonde.results import Drawing, InputError, Result, Verdict, shown
from sonde.results.drawing import Series, lines, table, tabs

if TYPE_CHECKING:
    from polars import DataFrame

HEADS = 48
NOTE = (
    "looks: how much the destination looks at the source; writes: how much that raises the out; both in deviations over tokens. Positions left out."
)
KINDS = {"raised": "What does it raise?", "lowered": "What does it lower?", "forced": "What does its form force besides?"}


@dataclass(frozen=True, eq=False, repr=False)
class SkipTrigrams(Result):
    """The skip-trigrams of heads.

    Arguments:
        found: one row for each: head, kind ("raised", "lowered", "forced"), source, destination, out, looks, writes, score, label, seen, forced_by.
        tokens: how many tokens were tried.
        counted: whether they were counted in a text.
        layers: the blocks that were read.
        attention: of the heads of each, the mean attention to the token so many places before, on the text; without one there are no distances.
        first: their mean attention to the first token of a row, which is left out there.
    """

    found: "DataFrame"
    tokens: int
    counted: bool
    layers: list[int]
    attention: Float[Tensor, "layer head distance"]
    first: Float[Tensor, "layer head"]

    def of(self, head: str, kind: str = "raised") -> "DataFrame":
        """Those of one head, strongest first.

        Arguments:
            head: "0.1".
            kind: "raised", "lowered" or "forced": what two raised ones of one source force crosswise.

        Raises:
            InputError: a head or kind that there is not.
        """
        if kind not in KINDS or head not in self.found["head"]:
            raise InputError(f"{shown(head)}, {shown(kind)}: heads are {', '.join(self._heads())}; kinds are {', '.join(KINDS)}")
        frame = self.found.filter((self.found["head"] == head) & (self.found["kind"] == kind))
        return frame.sort("score", descending=kind != "lowered")

    def to_frame(self) -> "DataFrame":
        """One row per skip-trigram."""
        return self.found

    def drawing(self) -> Drawing:
        """A browser: a tab for each head, the one with the strongest skip-trigram first."""
        heads = self._heads()
        if not heads:
            return table("What do heads look for, and what do they make of it?", ["head"], [], note="No head looks at a token for what it is.")
        more = f" {len(heads) - HEADS} more heads." if len(heads) > HEADS else ""
        return tabs("What do heads look for, and what do they make of it?", [(head, self.page(head)) for head in heads[:HEADS]], note=f"{NOTE}{more}")

    def page(self, head: str) -> Drawing:
        """One head: what it raises, lowers, and forces.

        Arguments:
            head: "0.1".
        """
        parts = []
        for kind, title in KINDS.items():
            frame = self.of(head, kind)
            columns = ["source", "destination", "out", "looks", "writes", "score", "label"]
            columns += (["seen"] if self.counted else []) + (["forced_by"] if kind == "forced" else [])
            rows = [[round(cell, 2) if isinstance(cell, float) else cell for cell in row] for row in frame.select(columns).head(40).rows()]
            parts.append((kind, table(f"Head {head}: {title}", [name.replace("_", " ") for name in columns], rows)))
        if self.attention.shape[-1]:
            parts.append(("by distance", self.by_distance(head)))
        return tabs(f"Head {head}", parts)

    def by_distance(self, head: str) -> Drawing:
        """How far back a head looks, whatever the tokens, beside the mean of all heads that were read.

        Arguments:
            head: "0.1".

        Raises:
            InputError: no text was given.
        """
        if not self.attention.shape[-1]:
            raise InputError("how far back heads look is measured on a text: give texts=, with a row that fits the context")
        block, number = map(int, head.split("."))
        place = self.layers.index(block)
        note = f"{float(self.first[place, number]):.0%} of its attention goes to the first token of a row, which is left out here."
        return lines(
            f"How far back does head {head} look?", "mean attention", "places back", range(self.attention.shape[-1]),
            [Series(f"head {head}", self.attention[place, number])], control=Series("mean of all heads", self.attention.mean((0, 1))), note=note,
        )  # fmt: skip

    def check(self, model: Model, networks: int = 5, seed: int = 0, progress: bool = False) -> list[Verdict]:
        """Whether heads go by tokens more than those of the same network with its weights permuted; the examples are the heads.

        Arguments:
            model: the model that was read.
            networks: how often the weights are permuted.
            seed: of the permutations.
            progress: show it in a terminal.
        """
        from sonde.weights.trigrams import skip_trigrams

        self.refuse_other(model)
        asked = self.recipe.arguments
        controls = []
        for draw in track(range(networks), "networks with permuted weights", shown=progress):
            broken = Model(permuted(model.module, seed + draw), model.tokenizer, f"{model.name}, weights permuted", model.processor)
            controls.append(skip_trigrams(broken, asked["layers"], asked["k"], asked["near"], asked["tokens"]).strongest())
        claim = "What heads look for and raise goes by tokens more than in a network that learnt nothing."
        measure = "score of each head's strongest skip-trigram, square deviations; control: the same network with its weights permuted"
        source = "none: the claim is the difference"
        return [compare(claim, measure, self.strongest(), torch.stack(controls), threshold=0.0, threshold_source=source)]

    def strongest(self) -> Float[Tensor, " head"]:
        """The score of each head's strongest raised skip-trigram, 0 where it has none."""
        import polars as pl

        best = self.found.filter(pl.col("kind") == "raised").group_by("head").agg(pl.col("score").max())
        known = dict(best.rows())
        return torch.tensor([float(known.get(f"{layer}.{head}", 0.0)) for layer in self.layers for head in range(self.attention.shape[1])])

    def _heads(self) -> list[str]:
        frame = self.found.filter(self.found["kind"] == "raised").sort("score", descending=True)
        return list(dict.fromkeys(frame["head"].to_list()))
