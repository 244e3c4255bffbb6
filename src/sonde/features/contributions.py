"""What features contribute to an output: directly, and in all.

Of a feature with activation c and direction d, at a site from which the residual stream goes on:

    linear    c <d, g>, with g the gradient of the logit difference along the direct path, every norm's scale held (the exact share of the sum)
    direct    the metric less the metric with the feature ablated and every later part held at its value: only the direct path feels it
    total     the metric less the metric with the feature ablated: every path feels it
    estimate  c dm/dc, the first-order estimate of the total (attribution patching), by which features are chosen

All four are sums over the tokens of a prompt. `linear` and `direct` differ by what the feature does to the last norm's scale; `total` and `direct` by
what later parts make of it; `estimate` and `total` by how far the model is from linear.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Clamp, Edit, Model, Patch
from sonde.access.direct import direct_only, parts_between, refuse_indirect
from sonde.access.inputs import Given
from sonde.evidence import t_interval
from sonde.features.activity import Activity
from sonde.features.places import basis_at, feature_of, written_site
from sonde.features.used import used
from sonde.results import Drawing, InputError, Recipe, Result, Verdict
from sonde.results.drawing import Series, bars, table, tabs
from sonde.tasks import LogitDifference, Task
from sonde.tasks.metrics import BeforeCap

if TYPE_CHECKING:
    from polars import DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class FeatureContributions(Result):
    """What features contribute to a logit difference.

    Arguments:
        site: of the coordinates.
        features: the strongest first, by the mean estimate's size; or as they were given.
        largest: each one's largest activation in each prompt.
        linear, direct, total, estimate: what each contributes, in logits; see the package's page.
        rest: the direct contribution of everything at the site but these features: other features, the bias and the error.
        metric: the logit difference of target and foil.
    """

    site: str
    features: list[int]
    largest: Float[Tensor, "feature example"]
    linear: Float[Tensor, "feature example"]
    direct: Float[Tensor, "feature example"]
    total: Float[Tensor, "feature example"]
    estimate: Float[Tensor, "feature example"]
    rest: Float[Tensor, " example"]
    metric: Float[Tensor, " example"]

    def to_frame(self) -> "DataFrame":
        """One row per feature and example."""
        import polars as pl

        n = len(self.metric)
        columns = {name: getattr(self, name).flatten().tolist() for name in ("largest", "total", "direct", "linear", "estimate")}
        return pl.DataFrame({"feature": [f for f in self.features for _ in range(n)], "example": list(range(n)) * len(self.features), **columns})

    def drawing(self) -> Drawing:
        """The total of each feature beside its direct contribution, and all four as a table."""
        n, labels = len(self.metric), [f"feature {f}" for f in self.features]
        note = f"What the logit difference loses without the feature, {f'mean over {n} prompts' if n > 1 else 'one prompt'}."
        ends = [t_interval(row) for row in self.total] if n > 1 else None
        unit = "logits, target minus foil"
        ranked = bars(
            "What do features contribute?", unit, labels, self.total.mean(1), intervals=ends,
            bar_control=Series("directly, later parts held", self.direct.mean(1)), note=note,
        )  # fmt: skip
        columns = [getattr(self, name).mean(1).tolist() for name in ("largest", "total", "direct", "linear", "estimate")]
        rows = [[label, *values] for label, *values in zip(labels, *columns, strict=True)]
        heads = ["feature", "largest activation", "total", "direct", "direct, norm held", "estimate of total"]
        return tabs("What do features contribute?", [("ranked", ranked), ("numbers", table("How much?", heads, rows, note=note))])

    def carrying(self, least: float = 0.1) -> list[int]:
        """The features without which the metric falls, the strongest first.

        Arguments:
            least: by what share of the strongest one's fall at least.
        """
        totals = self.total.mean(1)
        clear = [i for i in totals.argsort(descending=True).tolist() if totals[i] > 0 and totals[i] >= least * totals.max()]
        return [self.features[i] for i in clear]

    def check(self, model: Model, task: Task, activity: Activity, draws: int = 10, seed: int = 0) -> list[Verdict]:
        """Whether the features that carry the answer here carry it on other prompts, more than random features like them; see `used`.

        Arguments:
            model: the model that was asked.
            task: prompts that were not looked at, with their counterfactuals.
            activity: of the features.
            draws, seed: of the random features.
        """
        self.refuse_other(model)
        found = self.carrying()
        if not found:
            raise InputError("no feature carries the answer here: without each of them the metric stays or rises")
        return used(model, self.site, found, task, activity, task.metric, draws, seed)


def feature_contributions(
    model: Model, site: str, task: Task | Given, of: LogitDifference | None = None, features: Sequence[int] | None = None, top: int = 10
) -> FeatureContributions:  # fmt: skip
    """What features contribute to the logit difference of target and foil: verified by ablation.

    Arguments:
        model: a language model of a known family on which the basis is attached.
        site: of its coordinates, anywhere in the blocks.
        task: a task; or prompts, then with `of`.
        of: the targets and foils; by default the task's representative ones.
        features: which; by default those with the largest estimates.
        top: how many of them.

    Raises:
        InputError: no logit difference, no such feature. SiteUnavailable: a family whose parts do not add up to its logits.

    >>> import sonde
    >>> model = sonde.load("specimen:words")
    >>> model = model.attach("blocks.1.mlp.post", sonde.bases.Neurons(model.architecture.d_mlp), "neurons")
    >>> found = feature_contributions(model, "blocks.1.mlp.post.neurons", sonde.tasks.load("agreement", model, n=4), top=3)
    >>> found.total.shape
    torch.Size([3, 4])
    """
    basis, base = basis_at(model, site), written_site(model, site).name
    if of is None and isinstance(task, Task):
        of = LogitDifference(task.targets, foils=task.foils)
    if not isinstance(of, LogitDifference):
        raise InputError("contributions add up to a logit difference and to nothing else: give a task, or of=LogitDifference(target, foils=foil)")
    refuse_indirect(model)
    metric, given = BeforeCap(of, model.architecture.softcap), task.clean if isinstance(task, Task) else task
    grads = model.grad(given, of=metric, at=site)
    codes, mask = grads.values[site], grads.run.mask
    real = torch.ones(codes.shape[:2], dtype=torch.bool) if mask is None else mask
    estimate = (codes * grads[site] * real[..., None]).sum(1).T
    if features is None:
        found = estimate.mean(1).abs().topk(min(top, basis.size)).indices.tolist()
    else:
        found = [feature_of(model, site, f) for f in features]
    along = model.grad(given, of=metric, at=[site, base], edits=direct_only(model))
    linear = (codes * along[site] * real[..., None]).sum(1).T[found]
    whole = (along.values[base] * along[base]).flatten(2).sum(2).mul(real).sum(1)
    values = model.sweep(given, [Clamp(site, 0.0, dims=[f]) for f in found], metric)
    direct = _directly(model, site, given, metric, found)
    recipe = Recipe.of(
        "sonde.features.feature_contributions", {"site": site, "features": features and list(features), "top": top, "pos": of.pos},
        model_hash=model.hash, inputs=task.content if isinstance(task, Task) else given,
    )  # fmt: skip
    largest = codes.masked_fill(~real[..., None], -torch.inf).amax(1).T[found]
    numbers = (largest, linear, values.base - direct, values.base - values.values, estimate[found], whole - linear.sum(0), values.base)
    return FeatureContributions(site, found, *(one.detach().float().cpu() for one in numbers), recipe=recipe)


def _directly(model: Model, site: str, given: Given, metric: BeforeCap, features: Sequence[int]) -> Tensor:
    """The metric with each feature ablated and every later part held at its value."""
    held = parts_between(model, written_site(model, site).name)
    if not held:
        return model.sweep(given, [Clamp(site, 0.0, dims=[f]) for f in features], metric).values
    clean = model.run(given, read=held, logits=False)
    patches: list[Edit] = [Patch(part, clean) for part in held]
    return model.sweep(given, [[Clamp(site, 0.0, dims=[f]), *patches] for f in features], metric).values
