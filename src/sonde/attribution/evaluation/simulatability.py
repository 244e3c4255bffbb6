"""A proxy user: does a learner that sees explanations predict the model on other inputs better than one that doesn't?

After the study of Hase and Bansal 2020 ("Evaluating explainable AI: which algorithmic explanations help users predict model behavior?"), with
learners in the place of people. Each learns from 16 inputs with the model's answers (metric above 0 or not), and predicts the answers to 32 others,
whose explanations it never sees: those would give the answer away. A learner is a logistic regression on inputs that it perceives with noise,

    w = argmin  sum over items of log(1 + exp(-y (w x + b)))  +  |w - w0|^2 / 2

and an explanation gives it its prior: w0_j, the slope of the values of column j against the column itself, over the items that it learns from.
Without explanations w0 = 0. Answers are balanced in both parts, so that guessing the commoner one does not look like understanding.

This is a proxy, and says nothing of people: in that study most explanations helped them little, and how helpful they found them told nothing.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from sonde.access import Metric, Model
from sonde.attribution.evaluation.removing import Method, refuse_tokens
from sonde.attribution.results import Attribution
from sonde.evidence import bootstrap, compare, permuted
from sonde.results import Drawing, InputError, Recipe, Result, Verdict
from sonde.results.drawing import bars

if TYPE_CHECKING:
    from polars import DataFrame

LEARN, TEST = 16, 32
STEPS = 12  # of Newton's method: more change nothing
ARMS = ("without explanations", "with explanations", "explanations of other items", "explanations of an untrained model")
LEAST, SOURCE = 0.05, "five points of accuracy: the least effect that the study could have seen among people"


@dataclass(frozen=True, eq=False, repr=False)
class Simulatability(Result):
    """How well proxy users predict the model, with and without explanations. No evidence about people.

    Arguments:
        method: the method of attribution.
        accuracy: for each arm of `arms` and each input, the share of the learners tested on it that foresaw the model's answer; NaN where none was.
        users: how many learners there were.
        arms: what the learners saw.
    """

    method: str
    accuracy: Float[Tensor, "arm example"]
    users: int
    arms: tuple[str, ...] = ARMS

    @property
    def gain(self) -> Float[Tensor, "arm example"]:
        """What each arm adds to the accuracy without explanations."""
        return self.accuracy - self.accuracy[:1]

    def to_frame(self) -> "DataFrame":
        """One row per arm: its accuracy, and what it adds with the 95 % interval of a bootstrap over inputs."""
        import polars as pl

        known = ~self.accuracy.isnan().any(0)
        rows = []
        for arm, accuracy, gain in zip(self.arms, self.accuracy[:, known], self.gain[:, known], strict=True):
            low, high = bootstrap(gain)
            rows.append((arm, float(accuracy.mean()), float(gain.mean()), float(low), float(high)))
        return pl.DataFrame(rows, schema=["arm (proxy users)", "accuracy", "gain", "low", "high"], orient="row")

    def drawing(self) -> Drawing:
        """What each arm adds, as bars."""
        rows = self.to_frame().rows()
        note = (
            f"Proxy users, no people: {self.users} learners, {LEARN} inputs to learn from and {TEST} to predict, of which no explanation is shown. "
            f"Without explanations they foresee {rows[0][1]:.0%} of the answers."
        )
        intervals = [(low, high) for *_, low, high in rows[1:]]
        title = f"Do explanations by {self.method} help a proxy user to predict the model?"
        return bars(
            title, "accuracy gained", [row[0] for row in rows[1:]], [row[2] for row in rows[1:]], intervals=intervals, zero="no help", note=note
        )

    def check(self, model: Any, *args: Any, **kwargs: Any) -> list[Verdict]:
        """Whether the explanations help more than those of other items do; nothing is computed again."""
        self.refuse_other(model)
        claim = f"Proxy users (no people) who see explanations by {self.method} predict the model better than those who don't."
        measure = "accuracy gained on inputs whose explanations are not shown; control: explanations shuffled among the items"
        known = ~self.accuracy.isnan().any(0)
        return [compare(claim, measure, self.gain[1, known], self.gain[2, known], threshold=LEAST, threshold_source=SOURCE)]


def simulatability(
    model: Model,
    inputs: Float[Tensor, "example *axis"],
    method: Method,
    of: Metric,
    *,
    users: int = 200,
    noise: float = 0.5,
    seed: int = 0,
) -> Simulatability:
    """Let proxy users learn to predict a model, with and without explanations.

    Arguments:
        model: a model of tables, or of small pictures, given as a tensor.
        inputs: at least 48 rows, of which the model answers at least 24 with a metric above 0, and 24 with one below.
        method: the method with its arguments bound; a value for every column.
        of: the metric, the same question for all rows, such as `LogitDifference([1], [0])`: the model's answer is whether it is above 0.
        users: how many learners.
        noise: every learner perceives each column with noise of up to this many of its deviations.
        seed: of everything drawn.

    Raises:
        InputError: too few rows, or an attribution with other places than the inputs.

    >>> import sonde
    >>> model = sonde.Model(torch.nn.Sequential(torch.nn.Linear(4, 2)))
    >>> rows, metric = torch.randn(200, 4), sonde.tasks.LogitDifference([1], [0])
    >>> simulatability(model, rows, sonde.attribution.gradient_x_input, metric, users=10).accuracy.shape
    torch.Size([4, 200])
    """
    refuse_tokens(inputs)
    result = method(model, inputs, of=of)
    untrained = method(Model(permuted(model.module, seed), processor=model.processor), inputs, of=of)
    answers = result.metric > 0
    least = (LEARN + TEST) // 2
    if min(int(answers.sum()), int((~answers).sum())) < least:
        counts = f"{int(answers.sum())} above 0 and {int((~answers).sum())} not"
        raise InputError(f"of the {len(answers)} rows the metric is {counts}: give at least {least} of each, or guessing would do")
    generator = torch.Generator().manual_seed(seed)
    standard = (inputs.flatten(1) - inputs.flatten(1).mean(0)) / inputs.flatten(1).std(0).clamp(min=1e-6)
    items = torch.stack([_drawn(answers, generator) for _ in range(users)])
    learn, test = items[:, :LEARN], items[:, LEARN:]
    blur = noise * torch.rand(users, 1, 1, generator=generator)
    seen = standard[items] + blur * torch.randn(users, LEARN + TEST, standard.shape[1], generator=generator)
    others = learn.gather(1, torch.stack([torch.randperm(LEARN, generator=generator) for _ in range(users)]))
    values, blind = (_by_column(one, standard) for one in (result, untrained))
    shown = (torch.zeros_like(values[learn]), values[learn], values[others], blind[learn])
    accuracy = torch.stack([_foreseen(seen, answers, learn, test, part) for part in shown])
    return Simulatability(
        result.method, accuracy, users,
        recipe=Recipe.of(
            "sonde.attribution.evaluation.simulatability", {"method": result.recipe.function, "users": users, "noise": noise}, model_hash=model.hash,
            inputs=result.recipe.inputs_hash, seed=seed,
        ),
    )  # fmt: skip


def _drawn(answers: Bool[Tensor, " example"], generator: torch.Generator) -> Int[Tensor, " item"]:
    """Inputs to learn from and then to predict, both halves of each with either answer."""
    sides = [side.nonzero()[:, 0] for side in (answers, ~answers)]
    mixed = [side[torch.randperm(len(side), generator=generator)] for side in sides]
    half = LEARN // 2
    return torch.cat([*(side[:half] for side in mixed), *(side[half : half + TEST // 2] for side in mixed)])


def _by_column(result: Attribution, inputs: Float[Tensor, "example column"]) -> Float[Tensor, "example column"]:
    values = result.values.flatten(1)
    if values.shape != inputs.shape or bool(values.isnan().any()):
        raise InputError(f"{result.method} has values of {tuple(result.values.shape)} for inputs of {inputs.shape[1]} columns: give one for each")
    return values


def _foreseen(
    seen: Float[Tensor, "user item column"], answers: Bool[Tensor, " example"], learn: Int[Tensor, "user learnt"], test: Int[Tensor, "user tested"],
    shown: Float[Tensor, "user learnt column"],
) -> Float[Tensor, " example"]:  # fmt: skip
    """The share of learners that foresaw the answer to each input."""
    x, y = seen[:, :LEARN].double(), answers[learn].double()
    centred = x - x.mean(1, keepdim=True)
    slopes = (centred * (shown - shown.mean(1, keepdim=True))).sum(1) / centred.square().sum(1).clamp(min=1e-6)
    weights = _learnt(x, y, slopes)
    tested = seen[:, LEARN:].double()
    said = (tested * weights[:, None, :-1]).sum(-1) + weights[:, None, -1] > 0
    right = (said == answers[test]).double().flatten()
    counts = torch.bincount(test.flatten(), minlength=len(answers))
    return (torch.bincount(test.flatten(), right, minlength=len(answers)) / counts).masked_fill(counts == 0, torch.nan).float()


def _learnt(x: Float[Tensor, "user item column"], y: Float[Tensor, "user item"], prior: Float[Tensor, "user column"]) -> Float[Tensor, "user weight"]:
    """Logistic regressions with their priors by Newton's method, the intercept last and its prior wide."""
    x = torch.cat([x, torch.ones_like(x[..., :1])], -1)
    start = torch.cat([prior, torch.zeros_like(prior[:, :1])], -1)
    strength = torch.ones(x.shape[-1], dtype=x.dtype)
    strength[-1] = 0.01
    weights = start.clone()
    for _ in range(STEPS):
        chance = (x * weights[:, None]).sum(-1).sigmoid()
        slope = ((chance - y)[..., None] * x).sum(1) + strength * (weights - start)
        curve = torch.einsum("ui,uij,uik->ujk", chance * (1 - chance), x, x) + torch.diag(strength)
        weights = weights - torch.linalg.solve(curve, slope)
    return weights
