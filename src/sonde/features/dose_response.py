"""How a stated property of a model's output follows the strength of a feature, beside features and directions that nobody chose.

At each dose the feature is set to (or raised by) a multiple of its largest activation at every token. Two controls go through the same doses: random
features that are active about as often, each at multiples of its own maximum; and random directions as long as the feature's own, written at the same
tokens, as strongly. Large doses break any model, and a broken model may have any property: what the controls do says from where on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from sonde.access import Add, Clamp, Edit, Metric, Model
from sonde.access.inputs import Given
from sonde.evidence import compare, spearman, t_interval
from sonde.features.activity import Activity
from sonde.features.places import basis_at, beside, feature_of
from sonde.features.properties import TextProperty
from sonde.features.pushes import How, refuse_other_activity
from sonde.features.steering import When, written
from sonde.features.turned import Turned
from sonde.jobs import track
from sonde.results import Drawing, InputError, Recipe, Result, Verdict, shown
from sonde.results.drawing import Series, lines
from sonde.tasks import Task
from sonde.tasks.metrics import unit_of

if TYPE_CHECKING:
    from polars import DataFrame

DOSES = (0.0, 0.5, 1.0, 2.0, 4.0)
ANY = "any change in the claimed direction: the control decides"
FOLLOWS, FOLLOWS_SOURCE = 0.5, "half of a perfect rank correlation: a convention"


@dataclass(frozen=True, eq=False, repr=False)
class DoseResponse(Result):
    """A property of the output over the strength of a feature.

    Arguments:
        site, feature: which.
        doses: the strengths, in multiples of the largest activation.
        how: "clamp": set to it, "add": raised by it.
        base: the property as it is.
        values: under each dose.
        others: the random features, by number.
        features: under each dose of a random feature.
        directions: under each dose of the feature turned into a random direction.
        unit: of the property.
    """

    site: str
    feature: int
    doses: tuple[float, ...]
    how: str
    base: Float[Tensor, " example"]
    values: Float[Tensor, "dose example"]
    others: list[int]
    features: Float[Tensor, "draw dose example"]
    directions: Float[Tensor, "draw dose example"]
    unit: str

    @property
    def change(self) -> Float[Tensor, " dose"]:
        """The property under each dose less the property as it is, the mean over examples."""
        return (self.values - self.base).mean(1)

    def to_frame(self) -> "DataFrame":
        """One row per curve, dose and example; the property as it is has no dose."""
        import polars as pl

        curves = [
            (f"feature {self.feature}", self.values), *((f"random feature {f}", v) for f, v in zip(self.others, self.features, strict=True)),
            *((f"random direction {i}", v) for i, v in enumerate(self.directions)),
        ]  # fmt: skip
        rows: list[tuple[str, float | None, int, float]] = [("unsteered", None, example, value) for example, value in enumerate(self.base.tolist())]
        rows += [
            (name, dose, example, value)
            for name, values in curves
            for dose, row in zip(self.doses, values.tolist(), strict=True)
            for example, value in enumerate(row)
        ]
        return pl.DataFrame(rows, schema={"curve": pl.String, "dose": pl.Float64, "example": pl.Int64, "value": pl.Float64}, orient="row")

    def drawing(self) -> Drawing:
        """The curve with its interval over examples, and the means and extremes of the controls' curves."""
        n = len(self.base)
        ends = [t_interval(row - self.base) for row in self.values] if n > 1 else None
        curve = Series(
            f"feature {self.feature}", self.change, None if ends is None else [low for low, _ in ends], None if ends is None else [h for _, h in ends]
        )
        turned = (self.directions - self.base).mean(-1)
        found = (self.features - self.base).mean(-1)
        band = Series("random features of equal density", found.mean(0), found.amin(0), found.amax(0))
        others = Series("random directions of equal length", turned.mean(0), turned.amin(0), turned.amax(0))
        over = f"mean over {n} prompts with its 95 % interval" if n > 1 else "one prompt"
        note = (
            f"{'Set to' if self.how == 'clamp' else 'Raised by'} multiples of its largest activation; change against the model as it is, {over}. "
            f"Bands of the controls reach from the least to the largest of {len(found)} draws."
        )
        return lines(
            "Does the property follow the feature?", self.unit, "multiples of the largest activation", [f"{dose:g}" for dose in self.doses],
            [curve, others], control=band, note=note,
        )  # fmt: skip

    def check(self, model: Model, direction: Literal["rises", "falls"] = "rises") -> list[Verdict]:
        """Whether the property follows the strength, and changes more than under random features and under random directions.

        Arguments:
            model: the model that was asked. The prompts should be others than those on which the feature was chosen.
            direction: what is claimed.

        Returns:
            Three verdicts.
        """
        self.refuse_other(model)
        if direction not in ("rises", "falls"):
            raise InputError(f"direction={shown(direction)}: use 'rises' or 'falls'")
        sign, most = 1.0 if direction == "rises" else -1.0, self.doses[-1]
        named = f"feature {self.feature} of {self.site}"
        follows = compare(
            f"The property {direction} with the strength of {named}.",
            "rank correlation of strength and property, prompt by prompt; control: random features of equal density",
            sign * self._follows(self.values), torch.stack([sign * self._follows(values) for values in self.features]),
            threshold=FOLLOWS, threshold_source=FOLLOWS_SOURCE,
        )  # fmt: skip
        verdicts = [follows]
        moved = f"{self.unit}, change against the model as it is; control: "
        for control, what in ((self.features, "random features of equal density"), (self.directions, "random directions of equal length")):
            claim = f"At {most:g} times its maximum, {named} moves the property more than {what} do."
            measured, others = sign * (self.values[-1] - self.base), sign * (control[:, -1] - self.base)
            verdicts.append(compare(claim, moved + what, measured, others, threshold=0.0, threshold_source=ANY, exceeding="draw"))
        return verdicts

    def _follows(self, values: Float[Tensor, "dose example"]) -> Float[Tensor, " example"]:
        """The rank correlation of each example's curve; 0 where nothing moves."""
        doses = torch.tensor(self.doses)
        return torch.stack([spearman(doses, row) if bool((row != row[0]).any()) else torch.tensor(0.0) for row in values.double().T]).double()


def dose_response(
    model: Model, site: str, feature: int, inputs: Task | Given, activity: Activity, of: Metric | TextProperty | None = None,
    doses: Sequence[float] = DOSES, how: How = "clamp", draws: int = 6, when: When = "all", samples: int = 4, max_new_tokens: int = 12,
    temperature: float = 1.0, seed: int = 0, progress: bool = False,
) -> DoseResponse:  # fmt: skip
    """Measure a property of the output at several strengths of a feature, of random features and of random directions.

    Arguments:
        model: on which the basis is attached.
        site: of its coordinates.
        feature: the number of one of them.
        inputs: a task, or prompts as for `model.run`; texts where a text property is measured.
        activity: how active features are.
        of: a metric (`TokenSet`, those of `sonde.tasks`, any function from a run to one number per example), or a property of text that is written;
            by default the task's metric.
        doses: strengths in increasing order.
        how: "clamp" sets the feature at every token, "add" raises it.
        draws: random features and random directions, each.
        when, samples, max_new_tokens, temperature: of text that is written, as for `steer`.
        seed: of all draws.
        progress: show a bar where text is written.

    Raises:
        InputError: no such feature, no metric, doses out of order; what `Activity.alike` and the metric raise.

    >>> import sonde
    >>> from sonde.features import activity
    >>> model = sonde.load("specimen:words")
    >>> site, task = "blocks.1.mlp.post.neurons", sonde.tasks.load("agreement", model, n=8)
    >>> model = model.attach("blocks.1.mlp.post", sonde.bases.Neurons(model.architecture.d_mlp), "neurons")
    >>> measured = activity(model, site, task.texts)
    >>> found = dose_response(model, site, int(measured.maximum.argmax()), task, measured, doses=(0, 1), draws=2)
    >>> found.values.shape, len(found.check(model))
    (torch.Size([2, 8]), 3)
    """
    feature, levels = feature_of(model, site, feature), tuple(float(dose) for dose in doses)
    if len(levels) < 2 or any(later <= earlier for earlier, later in pairwise(levels)):
        raise InputError(f"doses={shown(list(doses))}: give at least two strengths, in increasing order")
    if how not in ("clamp", "add"):
        raise InputError(f"how={shown(how)}: use 'clamp' or 'add'")
    metric = inputs.metric if of is None and isinstance(inputs, Task) else of
    if metric is None:
        raise InputError("nothing is measured: give of= a metric or a text property, or a task, which has a metric")
    refuse_other_activity(model, site, activity)
    largest, others = activity.largest(feature), [drawn[0] for drawn in activity.alike([feature], draws, seed)]
    handle, turned = _with_turned(model, site, feature, draws, seed)
    curves = [(site, feature, largest), *((site, f, activity.largest(f)) for f in others), *((place, feature, largest) for place in turned)]
    cells = [_edit(place, number, dose * scale, how) for place, number, scale in curves for dose in levels]
    if isinstance(metric, TextProperty):
        texts, unit = _texts(inputs), metric.name
        made = [
            written(handle, texts, [edit] if edit else [], when, samples, max_new_tokens, temperature, seed)
            for edit in track([None, *cells], "writing", shown=progress)
        ]
        base, *found = [torch.tensor([[metric.of(text) for text in several] for several in one]).mean(1) for one in made]
        values = torch.stack(found)
    else:
        sweep = handle.sweep(inputs.clean if isinstance(inputs, Task) else inputs, cells, metric)
        base, values, unit = sweep.base.float().cpu(), sweep.values.float().cpu(), unit_of(metric)
    found_at = values.unflatten(0, (len(curves), len(levels)))
    arguments = {"site": site, "feature": feature, "doses": levels, "how": how, "draws": draws, "activity": activity.recipe.inputs_hash}
    content = inputs.content if isinstance(inputs, Task) else inputs
    recipe = Recipe.of("sonde.features.dose_response", arguments, model_hash=model.hash, inputs=content, seed=seed)
    n = 1 + len(others)
    return DoseResponse(site, feature, levels, how, base, found_at[0], others, found_at[1:n], found_at[n:], unit, recipe=recipe)


def _with_turned(model: Model, site: str, feature: int, draws: int, seed: int) -> tuple[Model, list[str]]:
    """A handle on which the feature writes in random directions, too, each under a site of its own."""
    base, _, name = site.rpartition(".")
    names = [f"{name}_turned{i}" for i in range(draws)]
    for i, own in enumerate(names):
        model = beside(model, site, Turned.random(basis_at(model, site), [feature], seed + i), own)
    return model, [f"{base}.{own}" for own in names]


def _edit(site: str, feature: int, value: float, how: How) -> Edit:
    return Clamp(site, value, dims=[feature]) if how == "clamp" else Add(f"{site}[feature={feature}]", value)


def _texts(inputs: Task | Given) -> list[str]:
    """The prompts that text is written after."""
    texts = inputs.texts if isinstance(inputs, Task) else [inputs] if isinstance(inputs, str) else inputs
    if not isinstance(texts, Sequence) or not texts or not all(isinstance(text, str) for text in texts):
        raise InputError("a text property is one of text that is written: give prompts as texts")
    return [str(text) for text in texts]
