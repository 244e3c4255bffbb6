"""What is known of a model's heads: scores, what chance gives, and the names that follow."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.results import Drawing, Result, Verdict
from sonde.results.drawing import Scale, head_grid, table, tabs
from sonde.weights.repeating import repeats_by

if TYPE_CHECKING:
    from polars import DataFrame

# what a head of this name does, what tells most about it first
DOES = {
    "induction": "looks for what followed the last time this token was said",
    "duplicate token": "looks for where this token stood before",
    "previous token": "looks at the token before",
    "successor": "raises the word that comes next after the one it looks at",
    "copying": "raises the tokens that it looks at",
    "suppression": "lowers the tokens that it looks at",
    "first token": "rests on the first token",
}
OPPOSITE = {"copying": "suppression"}  # the name of a score that is as far below zero
# the least score that counts: conventions
LEAST = {"previous token": 0.4, "first token": 0.4, "duplicate token": 0.4, "induction": 0.4, "copying": 0.5, "successor": 0.5}


@dataclass(frozen=True)
class Role:
    """A name that a head has earned.

    Arguments:
        head: "1.2".
        name: what it is called, one of `DOES`.
        value: the score that the name rests on.
        chance: the size that no head of this model reaches in 19 of 20 shufflings.
    """

    head: str
    name: str
    value: float
    chance: float

    def __str__(self) -> str:
        return f"{self.name} {abs(self.value):.2f}"


@dataclass(frozen=True, eq=False, repr=False)
class HeadScores(Result):
    """Every head's scores, with their controls.

    Arguments:
        scores: what was measured.
        values: each head's scores; an attention weight, or for copying from -1 to 1.
        control: the mean of the same measure where it means nothing.
        chance: the size that the best head of the model does not reach in 19 of 20 shufflings.
        n: over how many rows or words each score is a mean.
        left_out: scores that could not be measured, and why.
    """

    scores: list[str]
    values: Float[Tensor, "score layer head"]
    control: Float[Tensor, "score layer head"]
    chance: Float[Tensor, " score"]
    n: list[int]
    left_out: dict[str, str]

    def value(self, head: str, score: str) -> float:
        """One score of one head.

        Arguments:
            head: "1.2".
            score: one of `scores`.
        """
        layer, number = map(int, head.split("."))
        return float(self.values[self.scores.index(score), layer, number])

    def roles(self, head: str | None = None) -> list[Role]:
        """The names that heads have earned: by a score that is high, and higher than chance gives any head. What tells most comes first.

        Arguments:
            head: of one head only, such as "1.2".
        """
        found = []
        for i, score in enumerate(self.scores):
            sizes = self.values[i].abs() if score in OPPOSITE else self.values[i]
            for layer, number in ((sizes >= LEAST[score]) & (sizes > self.chance[i])).nonzero().tolist():
                value = float(self.values[i, layer, number])
                found.append(Role(f"{layer}.{number}", score if value > 0 else OPPOSITE[score], value, float(self.chance[i])))
        order = list(DOES)
        return sorted((role for role in found if head in (None, role.head)), key=lambda role: (order.index(role.name), -abs(role.value)))

    def named(self, name: str) -> list[str]:
        """The heads that earned a name, the highest score first."""
        return [role.head for role in self.roles() if role.name == name]

    def describe(self, head: str) -> str:
        """What a head does, as a clause; its best score where it earned no name.

        Arguments:
            head: "1.2".
        """
        roles = self.roles(head)
        if roles:
            return f"{self.does(head)} ({', '.join(map(str, roles))})"
        layer, number = map(int, head.split("."))
        best = max(range(len(self.scores)), key=lambda i: float(self.values[i, layer, number]) / LEAST[self.scores[i]])
        return f"does nothing that was looked for (most: {self.scores[best]} {self.values[best, layer, number]:.2f})"

    def does(self, head: str) -> str:
        """What the names of a head say, as a clause; empty where it has none.

        Arguments:
            head: "1.2".
        """
        *first, last = [DOES[role.name] for role in self.roles(head)] or [""]
        return f"{', '.join(first)}{' and ' if first else ''}{last}"

    def to_frame(self) -> "DataFrame":
        """One row per head and score."""
        import polars as pl

        rows = [
            (score, layer, head, float(self.values[i, layer, head]), float(self.control[i, layer, head]), float(self.chance[i]))
            for i, score in enumerate(self.scores)
            for layer in range(self.values.shape[1])
            for head in range(self.values.shape[2])
        ]
        named = {(role.head, role.name) for role in self.roles()}
        frame = pl.DataFrame(rows, ["score", "layer", "head", "value", "control", "chance"], orient="row")
        return frame.with_columns(
            pl.Series("named", [any((f"{row[1]}.{row[2]}", name) in named for name in (row[0], OPPOSITE.get(row[0]))) for row in rows])
        )

    def drawing(self) -> Drawing:
        """A grid of heads for each score, behind tabs."""
        return tabs("What do the heads do?", [(score, self.grid(score)) for score in self.scores], note=self._note())

    def grid(self, score: str) -> Drawing:
        """One score of every head."""
        i = self.scores.index(score)
        details = [
            [f"head {layer}.{head}: by chance {float(control):.2f}" for head, control in enumerate(row)] for layer, row in enumerate(self.control[i])
        ]
        note = f"A name is given from {LEAST[score]:g} on, if it is more than chance: {self.chance[i]:.2f} for the best head."
        scale: Scale = "diverging" if score == "copying" else "sequential"
        return head_grid(f"Which heads are {score} heads?", "score", self.values[i], details=details, scale=scale, limit=1.0, zero="none", note=note)

    def table(self, most: int = 30) -> Drawing:
        """The heads that have a name, what tells most first.

        Arguments:
            most: how many heads at most.
        """
        heads = list(dict.fromkeys(role.head for role in self.roles()))
        rows = [[head, self.does(head), ", ".join(map(str, self.roles(head)))] for head in heads[:most]]
        chance = ", ".join(f"{score} {float(value):.2f}" for score, value in zip(self.scores, self.chance, strict=True))
        notes = [f"By chance the best head reaches: {chance}.", self._note()]
        notes += [f"{len(heads) - most} more heads have a name."] if len(heads) > most else []
        return table("Which heads have a name?", ["head", "what it does", "scores"], rows, note=" ".join(filter(None, notes)))

    def check(self, model: Model, seed: int = 1, sets: int = 10) -> list[Verdict]:
        """Whether the induction heads carry what the model repeats: see `sonde.weights.repeats_by`.

        Arguments:
            model: the model that was measured.
            seed: of new random rows, and of the random sets.
            sets: how many random sets make the control.
        """
        self.refuse_other(model)
        return [repeats_by(model, self.named("induction"), seed, sets)]

    def _note(self) -> str:
        return " ".join(f"Not measured: {score}, because {reason}." for score, reason in self.left_out.items())


def chance_of_any(drawn: Float[Tensor, "draw layer head"]) -> Tensor:
    """The size that the best of all heads does not reach in 19 of 20 draws."""
    return torch.quantile(drawn.abs().flatten(1).max(1).values, 0.95)
