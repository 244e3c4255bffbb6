"""The model with some of an attribution's places absent: what every test by removal asks.

The removal is never the method's own, or a method would prove itself: one that fills with grey finds what grey does, and is then judged by grey.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.access import Metric, Model
from sonde.access.removal import Baseline, Given, Question, baseline_of
from sonde.attribution.question import ask
from sonde.attribution.results import Attribution
from sonde.results import InputError

Method = Callable[..., Attribution]
"""A method of attribution with its arguments bound: called with a model and a task, or with a model, inputs and a metric."""

ENTRIES_AT_ONCE = 2**24  # values of the site that are held together


def applied(method: Method, model: Model, inputs: Any, of: Metric | None) -> Attribution:
    """A method's answer for a task, or for inputs with a metric."""
    return method(model, inputs) if of is None else method(model, inputs, of=of)


def places(attribution: Attribution, example: int) -> tuple[Float[Tensor, " place"], Int[Tensor, "*cell"]]:
    """The values of the places of one example that can be ranked, and for each cell of the input the place that it belongs to.

    Arguments:
        attribution: of any kind: by token, pixel, column, or in groups.
        example: its index.

    Returns:
        One value for each place: of a picture's pixel the sum over channels. And the place of each cell, -1 where a cell always stays: special
        tokens, padding.
    """
    if attribution.groups is not None:
        known = ~attribution.values[example].isnan()
        numbers = torch.where(known, known.cumsum(0) - 1, -1)
        return attribution.values[example][known], torch.cat([numbers, torch.tensor([-1])])[attribution.groups[example]]
    values, counted = attribution.cells()[example], attribution.counted[example]
    if attribution.axes == ("channel", "row", "col"):
        counted = counted.all(0)
    labels = torch.full(values.shape, -1, dtype=torch.long)
    labels[counted] = torch.arange(int(counted.sum()))
    return values[counted], labels


@dataclass(frozen=True, eq=False)
class Removal:
    """A question whose places can be taken away.

    Arguments:
        question: the inputs and the metric.
        baseline: what stands for what is absent.
        labels: for each example the place of each cell of its input, -1 where it stays.
    """

    question: Question
    baseline: Baseline
    labels: list[Int[Tensor, "*_cell"]]

    @staticmethod
    def of(model: Model, task: Any, of: Metric | None, attribution: Attribution, baseline: Given) -> "Removal":
        """The removal that judges an attribution.

        Arguments:
            model: the model.
            task: the task or inputs that the attribution explains.
            of: for inputs, the metric.
            attribution: whose places are taken away.
            baseline: what stands for what is absent; not what the method itself put there.

        Raises:
            InputError: the method's own removal, or an attribution of other inputs.
        """
        question, baseline = ask(model, task, of, attribution.site), baseline_of(baseline)
        said = baseline.described(question)
        if said.replace("padding ", "") == attribution.absent.replace("padding ", ""):
            raise InputError(
                f"{attribution.method} itself replaced what is absent by {said}, and would be judged by its own removal: give another one, such as "
                "sonde.attribution.evaluation.OtherExamples()"
            )
        if len(question) != len(attribution):
            raise InputError(f"the attribution has {len(attribution)} examples, and the inputs {len(question)}: give those that it explains")
        return Removal(question, baseline, [places(attribution, i)[1] for i in range(len(attribution))])

    def metric(self, present: Sequence[Bool[Tensor, "_set _place"]]) -> list[Float[Tensor, " _set"]]:
        """The metric of each example with sets of its places present and the rest absent, the mean over the baseline's draws.

        Arguments:
            present: for each example its sets.
        """
        unique = [sets.unique(dim=0, return_inverse=True) for sets in present]
        entries = self.question.value[0].numel() * self.baseline.draws
        at_once = max(1, ENTRIES_AT_ONCE // (entries * max(1, len(present))))
        found: list[list[Tensor]] = [[] for _ in present]
        for start in range(0, max(len(sets) for sets, _ in unique), at_once):
            parts = [sets[start : start + at_once] for sets, _ in unique]
            values = torch.cat([self._values(i, part) for i, part in enumerate(parts) if len(part)])
            examples = [i for i, part in enumerate(parts) for _ in range(len(part) * self.baseline.draws)]
            metric = self.question.metric_at(values, examples).cpu().view(-1, self.baseline.draws).mean(1)
            for i, part in enumerate(metric.split([len(part) for part in parts])):
                found[i].append(part)
        return [torch.cat(parts)[inverse] for parts, (_, inverse) in zip(found, unique, strict=True)]

    def _values(self, example: int, present: Bool[Tensor, "set place"]) -> Float[Tensor, "row *axis"]:
        """The site's values with places absent, one row for each set and draw."""
        value = self.question.value[example]
        labels = self._columns(example)
        cells = torch.cat([present, torch.ones(len(present), 1, dtype=torch.bool)], 1)[:, labels]
        absent = self.baseline.values(self.question, example, cells.to(value.device)).to(value)
        kept = cells.to(value.device)
        while kept.ndim <= value.ndim:  # a picture's channels come first, a vector's coordinates last
            kept = kept.unsqueeze(1 if self.question.axes == ("channel", "row", "col") else -1)
        return torch.where(kept[:, None], value, absent).flatten(0, 1)

    def _columns(self, example: int) -> Int[Tensor, "*cell"]:
        """The labels where the batch has the cells: shorter rows are padded."""
        labels, mask = self.labels[example], self.question.mask
        if mask is None:
            return labels
        columns = mask[example].nonzero()[:, 0].cpu()
        placed = torch.full((mask.shape[1], *labels.shape[1:]), -1, dtype=torch.long)
        placed[columns] = labels[: len(columns)]
        return placed
