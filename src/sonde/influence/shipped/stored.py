"""Documents that a specimen was trained on, with their influence on questions of known kinds: read from what is shipped, never computed here."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.influence.drawings import short
from sonde.results import Drawing, InputError, LoadError, Result, shown
from sonde.results.drawing import matrix

if TYPE_CHECKING:
    from polars import DataFrame

WEIGHTS = Path(__file__).with_name("weights")


@dataclass(frozen=True, eq=False, repr=False)
class ShippedInfluence(Result):
    """Influence by EK-FAC of documents of a specimen's training on questions that it never read.

    Arguments:
        model: its name.
        n: of how many documents these are the most helpful ones.
        kinds, prompts, answers: of each question.
        rows: the documents' tokens.
        families: the documents' kinds.
        lengths: of the gradients of the documents' losses.
        drawn: whether a document was drawn at random, to compare with.
        tau: the influence on each question's loss, over the length of all documents' influence on it.
        layers, shares: of each layer its share in the influence on each question.
        method: how the influence was estimated.
    """

    model: str
    n: int
    kinds: list[str]
    prompts: list[str]
    answers: list[str]
    rows: list[list[int]]
    families: list[str]
    lengths: Float[Tensor, " document"]
    drawn: list[bool]
    tau: Float[Tensor, "question document"]
    layers: list[str]
    shares: Float[Tensor, "question layer"]
    method: str

    def questions(self, kind: str) -> list[int]:
        """The questions of a kind.

        Arguments:
            kind: one of `kinds`.

        Raises:
            InputError: another kind.
        """
        found = [q for q, one in enumerate(self.kinds) if one == kind]
        if not found:
            raise InputError(f"no question of the kind {shown(kind)} was asked; there are {', '.join(dict.fromkeys(self.kinds))}")
        return found

    def helpful(self, question: int, k: int = 6) -> list[tuple[int, float]]:
        """The documents that bear most on a question, each with its influence.

        Arguments:
            question: its number.
            k: how many at most; only those above zero count.
        """
        values, order = self.tau[question].float().sort(descending=True, stable=True)
        return [(int(i), float(tau)) for i, tau in zip(order[:k], values[:k], strict=True) if tau > 0]

    def candidates(self, kind: str) -> list[int]:
        """The documents that bear most on one of the questions of a kind.

        Arguments:
            kind: one of `kinds`.
        """
        return sorted({i for q in self.questions(kind) for i, _ in self.helpful(q)})

    def to_frame(self) -> "DataFrame":
        """One row per question and document that bears on it."""
        import polars as pl

        best = [(q, i, tau) for q in range(len(self.kinds)) for i, tau in self.helpful(q)]
        rows = [(self.kinds[q], self.prompts[q], self.answers[q], i, self.families[i], tau) for q, i, tau in best]
        return pl.DataFrame(rows, ["kind", "prompt", "answer", "document", "family", "tau"], orient="row")

    def drawing(self) -> Drawing:
        """The layers' shares in the influence on each kind of question."""
        names = list(dict.fromkeys(self.kinds))
        means = torch.stack([self.shares[self.questions(name)].float().mean(0) for name in names])
        return matrix(
            "On which layers is the influence concentrated?", "share of the influence", means, row_name="kind of question", rows=names,
                col_name="layer", cols=self.layers, scale="sequential", note=short(f"Means over questions, {self.method}"),
        )  # fmt: skip


@cache
def shipped(name: str = "words") -> ShippedInfluence:
    """What is shipped of a specimen's training.

    Arguments:
        name: of the specimen.

    Raises:
        LoadError: nothing is shipped for it.

    >>> found = shipped("words")
    >>> found.families[found.helpful(found.questions("agreement")[0], 1)[0][0]]
    'agreement'
    """
    if not (WEIGHTS / name).is_dir():
        raise LoadError(f"no influence is shipped for {shown(name)}; there is {', '.join(sorted(one.name for one in WEIGHTS.iterdir()))}")
    return ShippedInfluence.load(WEIGHTS / name)
