"""What imitating a model gave: the tree, its rules, and how faithful they are."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from sonde.attribution.surrogate.counterfactuals import Counterfactual, proposals, verified
from sonde.attribution.surrogate.rules import Columns, Rule
from sonde.attribution.surrogate.trees import SurrogateTree
from sonde.evidence import compare, untestable
from sonde.results import Drawing, InputError, Result, Verdict
from sonde.results.drawing import bars, table, tabs

if TYPE_CHECKING:
    from polars import DataFrame

    from sonde.access import Metric, Model

THRESHOLD, SOURCE = 0.8, "the surrogate says what the model says in four cases of five: a convention"
MOST = 30  # bars and rules that a drawing shows


@dataclass(frozen=True)
class Fidelity:
    """One measure on held-out rows.

    Arguments:
        name: of the measure.
        value: a share, or R squared.
        interval: at 95 %.
        n: rows.
        control: the mean of the same for trees on as many columns drawn at random; `None` where there is no control.
    """

    name: str
    value: float
    interval: tuple[float, float]
    n: int
    control: float | None


@dataclass(frozen=True, eq=False, repr=False)
class Surrogate(Result):
    """A tree that imitates a model.

    Arguments:
        tree: the surrogate.
        controls: trees fitted alike on columns drawn at random; none where all columns are kept.
        rules: of the tree's leaves, those that the model keeps on held-out rows, the widest first.
        dropped: how many leaves gave none.
        described: how the columns are called.
        groups: columns that are correlated by more than 0.9, by number; a column by itself is a group of one.
        importance: of each group, in the order of `groups`; they sum to 1.
        chosen: the columns that the trees may ask about.
        fidelities: on held-out rows, fidelity beside accuracy.
        seen: rows of training, whose values counterfactuals may take.
        together: the columns of each attribute that takes several.
        notes: what was decided on the way.
    """

    tree: SurrogateTree
    controls: list[SurrogateTree]
    rules: list[Rule]
    dropped: int
    described: Columns
    groups: list[list[int]]
    importance: Float[Tensor, " group"]
    chosen: Int[Tensor, " kept"]
    fidelities: list[Fidelity]
    seen: Float[Tensor, "row column"]
    together: dict[str, list[int]]
    notes: list[str]

    @property
    def names(self) -> list[str]:
        """The names of all columns."""
        return self.described.names

    @property
    def columns(self) -> list[str]:
        """The names of the columns in the order of their groups' importance, those kept only."""
        kept = set(self.chosen.tolist())
        ranked = self.importance.argsort(descending=True).tolist()
        return [self.names[column] for g in ranked for column in self.groups[g] if column in kept]

    def fidelity(self, name: str = "fidelity of the tree") -> Fidelity:
        """One of the measures.

        Raises:
            InputError: there is none of that name.
        """
        found = next((one for one in self.fidelities if one.name == name), None)
        if found is None:
            raise InputError(f"there is no {name!r}: there are {', '.join(one.name for one in self.fidelities)}")
        return found

    def explain(self, row: Float[Tensor, " column"]) -> Rule | None:
        """The rule that covers one case; `None` where the model does not keep the rule of its leaf."""
        return next((rule for rule in self.rules if bool(rule.holds(row[None].float())[0])), None)

    def counterfactual(self, model: "Model", row: Float[Tensor, " column"], of: "Metric | None" = None) -> Counterfactual | None:
        """The fewest changes after which the model, not the tree, says another class; `None` where it follows no proposal of the tree.

        Arguments:
            model: the model that was imitated.
            row: the case.
            of: the metric, where one was imitated.

        Raises:
            CheckRefused: it is another model. InputError: a row of another width.
        """
        from sonde.attribution.surrogate.fit import Imitated

        self.refuse_other(model)
        if row.shape != (len(self.names),):
            raise InputError(f"a row has {len(self.names)} numbers, and this one is {tuple(row.shape)}")
        row = row.detach().float().cpu()
        imitated = Imitated(model, of)
        said = int(imitated.classes(imitated.scores(row[None]))[0])
        candidates = proposals(self.tree, row, said, self.seen, self.together)
        if not candidates:
            return None
        return verified(candidates, row, imitated.classes(imitated.scores(torch.stack(candidates))), said, self.described)

    def to_frame(self) -> "DataFrame":
        """One row per rule."""
        import polars as pl

        rows = [(rule.text, rule.outcome, rule.coverage, rule.n, rule.precision, *rule.interval, rule.lift) for rule in self.rules]
        return pl.DataFrame(rows, ["rule", "class", "coverage", "n", "precision", "low", "high", "lift"], orient="row")

    def drawing(self) -> Drawing:
        """Which columns the model uses, the fidelities, the rules."""
        ranked = self.importance.argsort(descending=True).tolist()[:MOST]
        labels = [", ".join(self.names[column] for column in self.groups[g]) for g in ranked]
        rows = [[one.name, one.value, one.control, one.n] for one in self.fidelities]
        ends = [[None, one.interval, None, None] for one in self.fidelities]
        rules = [[rule.text, rule.outcome, rule.coverage, rule.precision, rule.lift] for rule in self.rules[:MOST]]
        around = [[None, None, None, rule.interval, None] for rule in self.rules[:MOST]]
        notes = [f"{self.dropped} leaves gave no rule that the model keeps", *self.notes]
        return tabs(
            "Which rules does the model follow?",
            [
                (
                    "fidelity",
                    table("Does the surrogate say what the model says?", ["measure", "value", "random columns", "rows"], rows, intervals=ends),
                ),
                ("columns", bars("Which columns does it use?", "share of importance", labels, self.importance[ranked], zero="not used")),
                ("rules", table("What does it do where?", ["if", "it says", "coverage", "precision", "lift"], rules, intervals=around)),
            ],
            note="; ".join(notes) + ".",
        )

    def check(self, model: "Model", inputs: Float[Tensor, "row column"], of: "Metric | None" = None) -> list[Verdict]:  # type: ignore[override]
        """Test on other rows whether the tree says what the model says, more often than trees on random columns.

        Arguments:
            model: the model that was imitated.
            inputs: rows that were not used.
            of: the metric, where one was imitated.

        Raises:
            CheckRefused: it is another model.
        """
        from sonde.attribution.surrogate.fit import Imitated

        self.refuse_other(model)
        inputs = inputs.detach().float().cpu()
        imitated = Imitated(model, of)
        classes = imitated.classes(imitated.scores(inputs))
        agreed = [(tree(inputs).argmax(1) == classes).double() for tree in (self.tree, *self.controls)]
        claim, measure = "The tree says what the model says, more often than trees on columns drawn at random.", "share of rows"
        if not self.controls:
            reason = "all columns are kept, and columns drawn at random would be the same; keep fewer with k="
            return [untestable(claim, measure, reason, threshold=THRESHOLD, threshold_source=SOURCE)]
        return [compare(claim, measure, agreed[0], torch.stack(agreed[1:]), threshold=THRESHOLD, threshold_source=SOURCE)]
