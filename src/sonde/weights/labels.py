"""The names of a model's heads, with everything that speaks for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from sonde.access import Model
from sonde.evidence import compare, corrected, t_interval
from sonde.results import Drawing, InputError, Result, Verdict
from sonde.results.drawing import Series, bars, head_grid, table, tabs
from sonde.weights.results import DOES, LEAST, OPPOSITE

if TYPE_CHECKING:
    from polars import DataFrame

UNITS = {
    "copying": "eigenvalues, positive less negative share",
    "suppression": "eigenvalues, negative less positive share",
    "successor": "share of words",
}
SOURCE = "a convention"


@dataclass(frozen=True)
class Label:
    """A name that holds.

    Arguments:
        head: "1.2".
        name: one of `sonde.weights.results.DOES`.
        value: the mean score; for suppression its size.
        interval: of that mean, 95 %.
        verdict: the claim with its control, judged together with all other names of all heads.
    """

    head: str
    name: str
    value: float
    interval: tuple[float, float]
    verdict: Verdict

    def __str__(self) -> str:
        return f"{self.name} {self.value:.2f} ({self.interval[0]:.2f} to {self.interval[1]:.2f})"


@dataclass(frozen=True, eq=False, repr=False)
class HeadLabels(Result):
    """Every head's scores, example by example, beside those of heads that learnt nothing.

    Arguments:
        scores: what was measured.
        values: of each score, every head's, by example.
        control: of each score, those of every head of every network with permuted weights, on the same examples.
        chance: of each score, the size that the best head of the model does not reach in 19 of 20 shufflings of what is looked for.
        left_out: scores that could not be measured, and why.
        tokens, patterns: one of the rows, and where every head looks in it.
        writes: for each head some tokens and what it raises most when it looks at them; empty where that cannot be read.
    """

    scores: list[str]
    values: list[Float[Tensor, "layer head _"]]
    control: list[Float[Tensor, "draw _"]]
    chance: Float[Tensor, " score"]
    left_out: dict[str, str]
    tokens: list[str]
    patterns: Float[Tensor, "layer head query key"]
    writes: list[list[str]]

    @cached_property
    def verdicts(self) -> dict[tuple[str, str], Verdict]:
        """The verdict on every name of every head, by head and name, their intervals widened for all of them together."""
        asked = {(head, name): self._judged(head, name) for name in DOES if _score(name) in self.scores for head in self.heads}
        return dict(zip(asked, corrected(list(asked.values())), strict=True))

    @property
    def heads(self) -> list[str]:
        """All heads: "0.0", "0.1", ..."""
        layers, heads = self.values[0].shape[:2]
        return [f"{layer}.{head}" for layer in range(layers) for head in range(heads)]

    def labels(self, name: str | None = None, head: str | None = None) -> list[Label]:
        """The names that hold; what tells most comes first, and of one name the highest score.

        Arguments:
            name: of one kind only, such as "induction".
            head: of one head only, such as "1.2".
        """
        found = []
        for (of, called), verdict in self.verdicts.items():
            if verdict.holds and name in (None, called) and head in (None, of) and (verdict.measured or 0) > self._chance(called):
                values = self._values(of, called)
                found.append(Label(of, called, float(values.mean()), t_interval(values), verdict))
        order = list(DOES)
        return sorted(found, key=lambda label: (order.index(label.name), -label.value))

    def leanings(self, head: str) -> list[str]:
        """What a head does more than heads that learnt nothing, but too little for a name (from half of it on), with its scores.

        Arguments:
            head: "1.2".
        """
        found = []
        for name in DOES:
            verdict = self.verdicts.get((head, name))
            if verdict is None or verdict.measured is None or verdict.interval is None or verdict.measured <= self._chance(name):
                continue
            if verdict.interval[0] > 0 and verdict.threshold / 2 <= verdict.measured < verdict.threshold:
                found.append(f"{name} {verdict.measured:.2f}, of {verdict.threshold:g} that make a name")
        return found

    def named(self, name: str) -> list[str]:
        """The heads that have a name, the highest score first."""
        return [label.head for label in self.labels(name)]

    def to_frame(self) -> "DataFrame":
        """One row per head and score."""
        import polars as pl

        held = {(label.head, label.name) for label in self.labels()}
        rows = []
        for i, score in enumerate(self.scores):
            for head in self.heads:
                values = self._values(head, score)
                named = [name for name in (score, OPPOSITE.get(score)) if (head, name) in held]
                rows.append((score, head, float(values.mean()), *t_interval(values), float(self.control[i].mean()), len(values), *(named or [None])))
        columns = {"score": pl.String, "head": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64}
        return pl.DataFrame(rows, columns | {"control": pl.Float64, "n": pl.Int64, "name": pl.String}, orient="row")

    def drawing(self) -> Drawing:
        """The heads as a grid, coloured by the score that their name rests on; a click opens where a head looks in random words said twice."""
        layers, heads = self.values[0].shape[:2]
        best = {label.head: label for label in reversed(self.labels())}
        cells = [[best.get(f"{layer}.{head}") for head in range(heads)] for layer in range(layers)]
        details = [[self.describe(f"{layer}.{head}") for head in range(heads)] for layer in range(layers)]
        return head_grid(
            "Which heads have a name?", "score", [[0.0 if label is None else label.value for label in row] for row in cells],
            details=details, patterns=self.patterns, tokens=self.tokens, scale="sequential", limit=1.0, zero="no name",
            note=f"The score that tells most of a head. A click opens where it looks in a row of random words said twice. {self._note()}".strip(),
        )  # fmt: skip

    def table(self, most: int = 60) -> Drawing:
        """The heads that have a name, what tells most first.

        Arguments:
            most: how many heads at most.
        """
        heads = list(dict.fromkeys(label.head for label in self.labels()))
        rows = [[head, self._does(head), "; ".join(map(str, self.labels(head=head))), self._raises(head)] for head in heads[:most]]
        columns = ["head", "what it does", "scores, with 95 % intervals", "looks at → raises"]
        more = f"{len(heads) - most} more heads have a name. " if len(heads) > most else ""
        return table("What do the heads with a name do?", columns, rows, note=(more + self._note()).strip())

    def pages(self, heads: Sequence[str] = (), most: int = 12) -> Drawing:
        """What was measured of several heads, each behind a tab.

        Arguments:
            heads: which; by default those that have a name, what tells most first.
            most: at most so many of those.

        Raises:
            InputError: no such head.
        """
        chosen = list(heads) or list(dict.fromkeys(label.head for label in self.labels()))[:most] or self.heads[:1]
        return tabs("What was measured of each head?", [(head, self.head_page(head)) for head in chosen])

    def head_page(self, head: str) -> Drawing:
        """Every score of one head, beside the mean of heads that learnt nothing.

        Arguments:
            head: "1.2".

        Raises:
            InputError: no such head.
        """
        if head not in self.heads:
            raise InputError(f"there is no head {head!r}: give one of {self.heads[0]} to {self.heads[-1]}")
        values = [self._values(head, score) for score in self.scores]
        return bars(
            f"What was measured of head {head}?", "score", self.scores, [float(one.mean()) for one in values],
            intervals=[t_interval(one) for one in values],
            bar_control=Series("mean over heads with permuted weights", [float(one.mean()) for one in self.control]),
            zero="none", note=self.describe(head),
        )  # fmt: skip

    def describe(self, head: str) -> str:
        """What is known of a head, as a line.

        Arguments:
            head: "1.2".
        """
        names = list(map(str, self.labels(head=head))) or ["no name"]
        said = "; ".join([*names, *self.leanings(head)])
        raises = self._raises(head)
        return said + (f". Looks at → raises: {raises}" if raises else "")

    def check(self, model: Model, seed: int = 1) -> list[Verdict]:
        """Whether the names hold on new rows and tokens, and beside new permutations.

        Arguments:
            model: the model that was measured.
            seed: of what is drawn anew.
        """
        from sonde.weights.labelling import label_heads

        self.refuse_other(model)
        again = label_heads(model, **self.recipe.arguments, seed=seed, progress=False)
        return corrected([again._judged(label.head, label.name) for label in self.labels()])

    def _judged(self, head: str, name: str) -> Verdict:
        score, sign = _score(name), -1 if name in OPPOSITE.values() else 1
        control = sign * self.control[self.scores.index(score)]
        measure = f"{UNITS.get(name, 'attention weight')}; control: heads of networks with permuted weights"
        return compare(
            f"Head {head} {DOES[name]}.", measure, self._values(head, name), control, threshold=LEAST[score], threshold_source=SOURCE,
            exceeding="draw",
        )  # fmt: skip

    def _values(self, head: str, name: str) -> Float[Tensor, " example"]:
        layer, number = map(int, head.split("."))
        values = self.values[self.scores.index(_score(name))][layer, number]
        return -values if name in OPPOSITE.values() else values

    def _chance(self, name: str) -> float:
        return float(self.chance[self.scores.index(_score(name))])

    def _does(self, head: str) -> str:
        *first, last = [DOES[label.name] for label in self.labels(head=head)]
        return f"{', '.join(first)}{' and ' if first else ''}{last}"

    def _raises(self, head: str) -> str:
        layer, number = map(int, head.split("."))
        return self.writes[layer][number] if self.writes else ""

    def _note(self) -> str:
        return " ".join(f"Not measured: {score}, because {reason}." for score, reason in self.left_out.items())


def _score(name: str) -> str:
    """The score that a name rests on."""
    return next((score for score, opposite in OPPOSITE.items() if opposite == name), name)
