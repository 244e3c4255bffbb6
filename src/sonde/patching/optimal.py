"""The optimal constant: the one value of a place under which the model loses least (Li and Janson 2024, "Optimal ablation").

    a* = argmin over a of E[ loss of the run in which the place holds a ]

Zero and the mean spoil a model in two ways: they delete what the place said, and they put in something that misleads what reads it. The optimal
constant does as little of the second as a constant can, so what it still costs is what the place told about the prompt.

The model is frozen; a is found by Adam on search prompts, from the better of mean and zero, and what it costs is told on other prompts.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Metric, Model, Set, Site
from sonde.access.forward import logits_for, measured
from sonde.evidence import compare, t_interval
from sonde.jobs import track
from sonde.patching.replacing import written
from sonde.results import Drawing, InputError, Recipe, Result, Verdict
from sonde.results.drawing import bars
from sonde.tasks import KL, Ablation, Task
from sonde.tasks.ablation import Over
from sonde.tasks.metrics import unit_of

if TYPE_CHECKING:
    from polars import DataFrame

WRITTEN = ("optimal", "mean", "zero")
SETTLED = 0.01  # of what was gained in all, gained in the last tenth of the steps


@dataclass(frozen=True, eq=False, repr=False)
class OptimalConstant(Result):
    """A place's optimal constant, and what it costs beside the mean and zero.

    Arguments:
        site: where.
        over: "all": the same vector at every position; "position": one for each.
        constant: what is written, with one example.
        search: the loss under the optimal constant, the mean and zero, on the prompts on which the constant was found.
        held_out: the same on other prompts.
        intact: the loss of the intact model on these.
        curve: the mean loss on the search prompts, step by step.
        unit: of the loss.
    """

    site: str
    over: Over
    constant: Float[Tensor, "1 *axis"]
    search: Float[Tensor, "written searched"]
    held_out: Float[Tensor, "written example"]
    intact: Float[Tensor, " example"]
    curve: Float[Tensor, " step"]
    unit: str

    @property
    def edit(self) -> Set:
        """The ablation as an edit."""
        return Set(self.site, self.constant)

    @property
    def costs(self) -> Float[Tensor, " written"]:
        """The loss under the optimal constant, the mean and zero minus that of the intact model, on held-out prompts."""
        return (self.held_out - self.intact).mean(1)

    @property
    def converged(self) -> bool:
        """Whether the last tenth of the steps, of at least ten, gained less than a hundredth of what all of them gained."""
        best, tenth = self.curve.cummin(0).values, len(self.curve) // 10
        return tenth > 0 and float(best[-1 - tenth] - best[-1]) <= SETTLED * float(best[0] - best[-1])

    def to_frame(self) -> "DataFrame":
        """One row per constant and example, those of the search and those held out."""
        import polars as pl

        rows = [
            (name, part, example, value)
            for part, losses in (("search", self.search), ("held out", self.held_out))
            for name, values in zip(WRITTEN, losses.tolist(), strict=True)
            for example, value in enumerate(values)
        ]
        return pl.DataFrame(rows, schema=["written", "part", "example", "loss"], orient="row")

    def drawing(self) -> Drawing:
        """What each constant costs on held-out prompts, as bars."""
        costs = self.held_out - self.intact
        n = costs.shape[1]
        ends = [t_interval(row) for row in costs] if n > 1 else None
        state = "the search has settled" if self.converged else "the search has not settled: give more steps"
        note = f"{self.site}; mean over {n} prompts that took no part in the search over {self.search.shape[1]}; {state}."
        return bars("What does the best constant cost?", f"{self.unit} more than intact", WRITTEN, self.costs, intervals=ends, note=note)

    def check(self, model: Model) -> list[Verdict]:
        """Whether the constant costs less than the mean and than zero on the held-out prompts.

        Arguments:
            model: the model.
        """
        self.refuse_other(model)
        best, *others = self.held_out
        measure = f"loss under the constant, {self.unit}; control: under "
        return [
            compare(
                f"The constant costs less than {name} at {self.site}.", measure + name, best, other, direction="less",
                threshold=float(other.mean()), threshold_source=f"the loss under {name}",
            ) for name, other in (("the mean", others[0]), ("zero", others[1]))
        ]  # fmt: skip


def optimal_constant(
    model: Model, task: Task, site: str | Site, loss: Metric | None = None, over: Over = "all", steps: int = 200, lr: float = 0.1, seed: int = 0
) -> OptimalConstant:  # fmt: skip
    """Find the constant under which a model loses least when it stands at a place in every prompt.

    Arguments:
        model: the model; its weights stay as they are.
        task: prompts, with counterfactuals for the mean to start from. Half of them are searched on, the others tell what the constant costs.
        site: where; a head, an MLP, coordinates of an attached basis, with positions if they are meant.
        loss: what is to be as small as possible, a metric of the task's prompts that can be divided (`select`) and differentiated; by default the
            divergence of the next token's prediction from the intact model's.
        over: "all" for the same vector at every position, "position" for one for each, where all prompts have the same length.
        steps: of Adam; its rate falls to zero in a line.
        lr: the rate at the start, in units of the deviation of the site's values.
        seed: of the division into search and held-out prompts.

    Raises:
        InputError: a loss that is better when larger; fewer than two prompts; no steps; means over templates; what `Ablation.of` refuses.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> task = sonde.tasks.load("agreement", model, n=16)
    >>> found = optimal_constant(model, task, "blocks.1.mlp.out", steps=10)
    >>> bool(found.search[0].mean() <= found.search[1:].mean(1).min())
    True
    """
    if getattr(loss, "better", "less") == "more":
        raise InputError(f"loss={loss!r} is better when larger, and it would be made as small as possible: give a loss, such as sonde.tasks.KL")
    if over not in ("all", "position"):
        raise InputError(f"over={over!r}: a constant is the same for all examples, over 'all' positions or one for each 'position'")
    if steps < 1 or lr <= 0:
        raise InputError(f"steps={steps}, lr={lr}: give at least one step, and a rate above zero")
    place = Site.parse(site)
    given = loss or KL(model.run(task.clean, logits="last").last_logits)
    search, rest = task.with_metric(given).split(seed)
    if not len(search):
        raise InputError(f"{len(task)} prompts can't be divided into some to search on and others to judge by: give at least two of different words")
    values = model.run(search.corrupt, read=[str(place.whole())], logits=False, spans=search.spans)
    mean = written(values, place, Ablation("mean", over=over), alike=True).detach().clone()
    constant, curve = _descend(model, search, place, mean, steps, lr * _deviation(values[place]))
    constants = (constant, mean, torch.zeros_like(mean))
    searched, held_out = (torch.stack([_loss(model, part, [Set(place, c)]) for c in constants]) for part in (search, rest))
    arguments = {"site": str(place), "over": over, "steps": steps, "lr": lr, "loss": repr(type(given).__name__)}
    return OptimalConstant(
        str(place), over, constant.cpu(), searched, held_out, _loss(model, rest, []), curve, unit_of(given),
        recipe=Recipe.of("sonde.patching.optimal_constant", arguments, model_hash=model.hash, inputs=task.content, seed=seed),
    )  # fmt: skip


def _descend(model: Model, task: Task, site: Site, mean: Tensor, steps: int, lr: float) -> tuple[Tensor, Float[Tensor, " step"]]:
    """The best constant that was met, and the mean loss at each step, from the better of mean and zero on."""
    losses = [_loss(model, task, [Set(site, c)]).mean() for c in (mean, torch.zeros_like(mean))]
    best, least = (mean, losses[0]) if losses[0] <= losses[1] else (torch.zeros_like(mean), losses[1])
    curve = [float(least)]
    constant = best.clone().requires_grad_()
    adam = torch.optim.Adam([constant], lr=lr)
    falling = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: 1 - step / steps)
    for _ in track(range(steps), "finding the optimal constant"):
        found = model.grad(task.clean, task.metric, at=str(site), edits=[Set(site, constant.detach())], spans=task.spans)
        value = found.metric.mean().cpu()
        if value < least:
            best, least = constant.detach().clone(), value
        curve.append(float(value))
        constant.grad = (found[site] / len(task)).sum_to_size(constant.shape).to(constant.dtype)
        adam.step()
        falling.step()
    # the last step has not been looked at yet
    last = _loss(model, task, [Set(site, constant.detach())]).mean()
    curve.append(float(last))
    return (constant.detach() if last < least else best), torch.tensor(curve)


def _loss(model: Model, task: Task, edits: list[Set]) -> Float[Tensor, " example"]:
    return measured(task.metric, model.run(task.clean, edits=edits, logits=logits_for(task.metric), spans=task.spans)).detach().float().cpu()


def _deviation(values: Float[Tensor, "example *axis"]) -> float:
    """The root mean square deviation of a site's values, entry by entry; their size where they do not vary, so that there is a unit of length."""
    flat = values.detach().float().flatten(0, -2)
    return float((flat - flat.mean(0)).square().mean().sqrt() or flat.square().mean().sqrt() or 1.0)
