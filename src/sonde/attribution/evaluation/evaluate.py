"""All measures on several methods at once: one table, every number with its interval and beside its control, no mean over methods or measures.

Two claims are tested for each method. *It ranks better than random orders*: the gain of its curves. *It depends on the weights*: the order that it
gives on a randomised copy of the model must rank worse for the trained one; a map that only sees the input ranks as well, however good its gain.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Metric, Model
from sonde.access.removal import Given, baseline_of
from sonde.attribution.evaluation.curves import LEAST_GAIN, SOURCE, Curves, curves
from sonde.attribution.evaluation.fidelity import robust_fidelity
from sonde.attribution.evaluation.others import OtherExamples
from sonde.attribution.evaluation.removing import Method, applied
from sonde.attribution.evaluation.subsets import sums
from sonde.attribution.question import ask
from sonde.attribution.results import Attribution
from sonde.evidence import compare, no_gap, permuted, t_interval, untestable
from sonde.jobs import track
from sonde.results import Drawing, InputError, Recipe, Result, SondeError, Verdict
from sonde.results.drawing import table, tabs

if TYPE_CHECKING:
    from polars import DataFrame

RANDOMISED = 5  # copies: with two their spread would be as good as unknown
MEASURES = ("gain", "comprehensiveness", "sufficiency", "robust fidelity", "sensitivity-n")


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(Result):
    """Several methods by several measures.

    Arguments:
        methods: their names.
        removals: what stood for what was absent; none of them is a method's own.
        measures: "gain": the area between insertion and deletion, share of the gap; "comprehensiveness" (the larger the better), "sufficiency" (the
            smaller the better) and "robust fidelity" in the metric's unit; "sensitivity-n": the correlation of claimed and measured losses, of
            methods whose values are parts of the metric.
        values: of every example; NaN where a measure cannot be taken.
        controls: of random orders; for sensitivity-n of shuffled values.
        verdicts: for each method and removal whether it ranks better than random orders, and whether its order depends on the weights.
        unit: of the metric.
        failed: methods that could not be asked, each with the reason.
    """

    methods: list[str]
    removals: list[str]
    values: Float[Tensor, "method removal measure example"]
    controls: Float[Tensor, "method removal measure example"]
    verdicts: list[Verdict]
    unit: str
    failed: list[str]
    measures: tuple[str, ...] = MEASURES

    def to_frame(self) -> "DataFrame":
        """One row per method, removal and measure: the mean over examples with its 95 % interval, and the control."""
        import polars as pl

        rows = []
        for i, method in enumerate(self.methods):
            for j, removal in enumerate(self.removals):
                for k, measure in enumerate(self.measures):
                    value, ends, control = self._cell(i, j, k)
                    low, high = ends or (None, None)
                    rows.append((method, removal, measure, value, low, high, control))
        return pl.DataFrame(rows, schema=["method", "removal", "measure", "value", "low", "high", "control"], orient="row", strict=False)

    def drawing(self) -> Drawing:
        """For each removal a table of methods and measures with their intervals, and random orders as its last row."""
        drawings = []
        for j, removal in enumerate(self.removals):
            cells = [[self._cell(i, j, k) for k in range(len(self.measures))] for i in range(len(self.methods))]
            controls = [float(self.controls[:, j, k].nanmean()) for k in range(len(self.measures))]
            rows: list[list[Any]] = [[name, *(value for value, _, _ in row)] for name, row in zip(self.methods, cells, strict=True)]
            rows.append(["random orders", *controls])
            intervals: list[list[Any]] = [[None, *(ends for _, ends, _ in row)] for row in cells] + [[None] * (1 + len(self.measures))]
            note = f"Absent is {removal}; means over {self.values.shape[-1]} examples with 95 % intervals. Of sufficiency less is better."
            drawn = table("By every measure", ["method", *self.measures], rows, intervals=intervals, unranked=[len(rows) - 1], note=note)
            drawings.append((removal, drawn))
        failed = f" Not evaluated: {'; '.join(self.failed)}." if self.failed else ""
        return tabs("Which attribution says what matters?", drawings, note=f"Comprehensiveness, sufficiency and fidelity in {self.unit}.{failed}")

    def check(self, model: Any, *args: Any, **kwargs: Any) -> list[Verdict]:
        """The verdicts; nothing is computed again."""
        self.refuse_other(model)
        return self.verdicts

    def _cell(self, i: int, j: int, k: int) -> tuple[float | None, tuple[float, float] | None, float | None]:
        """A mean with its interval and its control."""
        known = ~(self.values[i, j, k].isnan() | self.controls[i, j, k].isnan())
        values, controls = self.values[i, j, k][known], self.controls[i, j, k][known]
        if not len(values):
            return None, None, None
        return float(values.mean()), t_interval(values) if len(values) > 1 else None, float(controls.mean())


def evaluate(
    model: Model,
    task: Any,
    methods: Sequence[Method],
    of: Metric | None = None,
    *,
    removals: Sequence[Given] | None = None,
    orders: int = 4,
    samples: int = 20,
    seed: int = 0,
) -> Evaluation:
    """Compare methods by all measures.

    Arguments:
        model: the model.
        task: a task, or inputs (then with `of`): eight examples or more, or no claim can be tested.
        methods: with their arguments bound, such as `partial(occlusion, baseline="pad")`.
        of: for inputs, the metric.
        removals: what stands for what is absent, one table for each, none of them a method's own; by default what other examples hold.
        orders: random orders for each example.
        samples: sets of places for robust fidelity and sensitivity-n.
        seed: of everything drawn.

    Raises:
        InputError: no method that can be asked, or a removal that is a method's own.

    >>> import sonde
    >>> model = sonde.Model(torch.nn.Sequential(torch.nn.Linear(4, 2)))
    >>> found = evaluate(model, torch.randn(9, 4), [sonde.attribution.gradient_x_input], sonde.tasks.Logit([0]), removals=["zero"], samples=3)
    >>> found.to_frame().shape
    (5, 7)
    """
    removals = [OtherExamples()] if removals is None else list(removals)
    attributions: list[Attribution] = []
    failed, kept = [], []
    for method in track(methods, "attributing"):
        try:
            result = applied(method, model, task, of)
        except SondeError as error:
            failed.append(f"{_called(method)}: {error}")
            continue
        count = sum(other.method.partition(" (")[0] == result.method for other in attributions)
        attributions.append(replace(result, method=f"{result.method} ({count + 1})") if count else result)
        kept.append(method)
    if not attributions:
        raise InputError(f"no method could be asked: {'; '.join(failed) or 'none was given'}")
    blind = [_blind(model, task, of, kept, seed + draw) for draw in track(range(RANDOMISED), "randomising")]
    values, controls, verdicts = [], [], []
    for number, result in track(list(enumerate(attributions)), "evaluating"):
        for removal in removals:
            found = curves(model, task, result, of, removal=removal, orders=orders, seed=seed)
            fidelity = robust_fidelity(model, task, result, of, removal=removal, samples=samples, orders=orders, seed=seed)
            claimed, shuffled = _added(model, task, result, of, removal, samples, seed)
            values.append([found.gain, found.comprehensiveness, found.sufficiency, fidelity.delta, claimed])
            controls.append([
                found.random_gain.mean(0), found.random_comprehensiveness.mean(0), found.random_sufficiency.mean(0),
                fidelity.random_delta.mean(0), shuffled,
            ])  # fmt: skip
            others = [curves(model, task, own[number], of, removal=removal, orders=1, seed=seed) for own in blind]
            verdicts += [*found.check(model), _follows(result, found, others)]
    shape = len(attributions), len(removals), len(MEASURES), len(attributions[0])
    question = ask(model, task, of, attributions[0].site)
    return Evaluation(
        [result.method for result in attributions], [baseline_of(removal).described(question) for removal in removals],
        torch.stack([torch.stack([part.float() for part in row]) for row in values]).view(shape),
        torch.stack([torch.stack([part.float() for part in row]) for row in controls]).view(shape),
        verdicts, attributions[0].unit, failed,
        recipe=Recipe.of(
            "sonde.attribution.evaluation.evaluate",
            {"methods": [one.recipe.function for one in attributions], "removals": removals, "orders": orders, "samples": samples},
            model_hash=model.hash, inputs=attributions[0].recipe.inputs_hash, seed=seed,
        ),
    )  # fmt: skip


def _added(
    model: Model, task: Any, result: Attribution, of: Metric | None, removal: Given, samples: int, seed: int
) -> tuple[Float[Tensor, " example"], Float[Tensor, " example"]]:  # fmt: skip
    """Sensitivity-n of the values and of shuffled ones; NaN for values that claim no share of the metric."""
    if result.own_unit:
        return torch.full((len(result),), torch.nan), torch.full((len(result),), torch.nan)
    added = sums(model, task, result, of, removal=removal, sets=max(3, samples // 4), seed=seed)
    return added.sensitivity_n.nanmean(-1), added.shuffled_sensitivity_n.nanmean(-1)


def _blind(model: Model, task: Any, of: Metric | None, methods: Sequence[Method], seed: int) -> list[Attribution]:
    """What the methods say of a copy of the model with permuted weights."""
    broken = Model(permuted(model.module, seed), model.tokenizer, processor=model.processor)
    return [applied(method, broken, task, of) for method in methods]


def _follows(result: Attribution, found: Curves, blind: Sequence[Curves]) -> Verdict:
    """Whether the order made on the model ranks better than those made on randomised ones."""
    claim = f"The order of {result.method} depends on the weights."
    measure = f"area between insertion and deletion, share of the gap (what is absent is {found.removal}); control: its order on permuted weights"
    reason = no_gap(found.deletion[:, 0], found.deletion[:, -1])
    if reason:
        return untestable(claim, measure, reason, threshold=LEAST_GAIN, threshold_source=SOURCE)
    control = torch.stack([one.gain for one in blind])
    return compare(claim, measure, found.gain, control, threshold=LEAST_GAIN, threshold_source=SOURCE)


def _called(method: Method) -> str:
    """What to call a method that gave no answer."""
    return str(getattr(getattr(method, "func", method), "__name__", method))
